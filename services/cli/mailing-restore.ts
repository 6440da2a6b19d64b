import type { Command } from 'commander'
import { listRefusals, restoreRefused } from '../../shared/delivery/restore-refused.sql.ts'
import { chooseMailing } from './choose-mailing.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { drawProgress } from './progress.ts'
import { asJson, count, plain } from './terminal.ts'

type Options = { json?: true; yes?: true }

/** `mailing restore-readers`: for a mail host that said of good addresses that there is nobody. */
export function addRestoreCommand(mailing: Command, deps: CliDeps): void {
  mailing
    .command('restore-readers')
    .description('bring back the readers whose addresses were refused for good, where the mail host was wrong')
    .argument('<id>', 'the number of the mailing that was refused')
    .option('--yes', 'you mean it; without it, only what would be done is told')
    .option('--json', 'answer in JSON')
    .addHelpText('after', examples)
    .action((id: string, options: Options) => restore(deps, id, options))
}

const examples = `
An address refused for good, as “550 5.1.1 no such user”, is written to no more: all it follows ends. A mail host whose
directory is broken for an hour says so of everybody. Once it is mended, this brings back whom this mailing ended, and sends
them this release, if it stands so still. Who has left, come back or been erased since stays as they are.

Examples:
  pressebud mailing restore-readers 12         tells how many were refused, and in which words
  pressebud mailing restore-readers 12 --yes   brings them back
`

async function restore({ terminal, surroundings }: CliDeps, id: string, options: Options): Promise<void> {
  const pool = surroundings.database()
  const mailing = await chooseMailing(pool, id)
  if (!options.yes) {
    const refusals = await listRefusals(pool, mailing.id)
    throw usageMistake(
      `Nobody is brought back yet. Of mailing ${id} ${count(mailing.totals.bounced, 'letter was', 'letters were')} refused for good.`,
      ...refusals.map(({ reply, letters }) => `${letters} × ${plain(reply)}`),
      `If the mail host was wrong: pressebud mailing restore-readers ${id} --yes`,
    )
  }
  const line = drawProgress(terminal)
  const restored = await restoreRefused(pool, mailing.id, ({ subscriptions, letters }) =>
    line.show(`${count(subscriptions, 'subscription')} restored, ${count(letters, 'letter')} due again`),
  ).finally(line.clear)
  if (restored === 'unknown') throw new Mistake(`There is no mailing ${id} any more.`)
  if (options.json) terminal.out(asJson(restored))
  else {
    const mark = restored.subscriptions > 0 ? terminal.paint.good('✓') : '·'
    const { subscriptions, letters } = restored
    terminal.out(`${mark} ${count(subscriptions, 'subscription is', 'subscriptions are')} followed again.\n`)
    if (letters > 0)
      terminal.out(
        `  ${count(letters, 'letter is', 'letters are')} due again and ${mailing.paused ? `leave once you let it go on: pressebud mailing resume ${id}` : 'leave within a few seconds.'}\n`,
      )
  }
  if (restored.left > 0)
    throw new Mistake(
      `${count(restored.left, 'letter is', 'letters are')} in a worker’s hands and left as they were.`,
      ['Run the same command again in a second; where a worker was lost, in a minute.'],
    )
}
