import { Command } from 'commander'
import type { CliDeps } from './cli-deps.ts'
import { addDemoCommand } from './demo.ts'
import { addDkimCommands } from './dkim-commands.ts'
import { addKeyCommands } from './key-commands.ts'
import { addMailingCommands } from './mailing-commands.ts'
import { type ExitCode, exitCodes, mistakeOf } from './mistake.ts'
import { addNewsroomCommands } from './newsroom-commands.ts'
import { addPaceCommands } from './pace-commands.ts'
import { addPublishCommand } from './publish.ts'
import { addSubscriberCommands } from './subscriber-commands.ts'
import { asJson } from './terminal.ts'

/** The operator's terminal: every command, and what a shell is told when one cannot be carried out. */
export async function runCommand(deps: CliDeps, args: readonly string[]): Promise<ExitCode> {
  const { terminal } = deps
  const wantsJson = args.includes('--json')
  try {
    await programOf(deps, wantsJson).parseAsync(args, { from: 'user' })
    return exitCodes.done
  } catch (error) {
    const mistake = mistakeOf(error)
    if (!mistake) return exitCodes.done
    if (wantsJson) terminal.err(asJson({ error: mistake.message, hints: mistake.hints }))
    else if (mistake.message) {
      terminal.err(`${terminal.paint.bad('✗')} ${mistake.message}\n`)
      for (const hint of mistake.hints) terminal.err(`  ${hint}\n`)
    }
    return mistake.exitCode
  }
}

function programOf(deps: CliDeps, wantsJson: boolean): Command {
  const { terminal } = deps
  const coloured = terminal.paint.bold('x') !== 'x'
  const program = new Command('pressebud')
    .description('Carries press releases to the people who asked for them.')
    .exitOverride()
    .showHelpAfterError(false)
    .configureHelp({ styleTitle: terminal.paint.bold })
    .configureOutput({
      writeOut: terminal.out,
      writeErr: terminal.err,
      // Told once, by runCommand, in the same form as every other mistake.
      outputError() {},
      getOutHelpWidth: () => terminal.columns,
      getErrHelpWidth: () => terminal.columns,
      getOutHasColors: () => coloured,
      getErrHasColors: () => coloured && !wantsJson,
    })
    .addHelpText('after', afterHelp)
  addNewsroomCommands(program, deps)
  addKeyCommands(program, deps)
  addPublishCommand(program, deps)
  addSubscriberCommands(program, deps)
  addMailingCommands(program, deps)
  addPaceCommands(program, deps)
  addDkimCommands(program, deps)
  addDemoCommand(program, deps)
  return program
}

const afterHelp = `
A newsroom from nothing to its first release:
  pressebud newsroom create --file examples/newsroom.json
  pressebud key create --newsroom klyngekontoret --label cms
  pressebud subscribers add ada@example.com --newsroom klyngekontoret --language nb --source "…"
  pressebud publish examples/release.json --newsroom klyngekontoret

From a checkout, write \`npm run -s cli --\` where it says \`pressebud\`.

Everything takes --help, and --json for a result that programs read.
Settings: DATABASE_URL and SECRET_KEY; without them, what \`npm start\` is running here is used.
Ends with 0 when done, 1 when refused or broken, 2 when asked wrongly.
`
