import type { Command } from 'commander'
import type { CliDeps } from './cli-deps.ts'
import { openNarrator, recordStory } from './demo/narrator.ts'
import { findStage } from './demo/stage.ts'
import { playStory } from './demo/story.ts'

/** `demo`: the life of a reader and two releases, played through the real doors and checked at each step. */
export function addDemoCommand(program: Command, deps: CliDeps): void {
  program
    .command('demo')
    .description(
      'play a reader’s whole life with a newsroom: sign-up, confirmation, a release, leaving, the next release',
    )
    .option('--json', 'answer in JSON')
    .addHelpText('after', about)
    .action((options: { json?: true }) => demo(deps, options))
}

const about = `
Plays in what \`npm start\` is running here; when nothing is, it starts an installation of its own on free ports, in a
folder that is gone afterwards. All mail goes to the local inbox. Ends with 1 as soon as anything is not true.
`

async function demo(deps: CliDeps, options: { json?: true }): Promise<void> {
  const { terminal } = deps
  const record = options.json ? recordStory(terminal) : null
  const narrator = record ?? openNarrator(terminal)
  if (!record) terminal.out('Looking for a running Pressebud, or starting one …\n')
  const stage = await findStage(deps)
  try {
    if (!record) terminal.out(stage.own ? 'Started one for this demo.\n' : `Playing in ${stage.standalone.api}.\n`)
    await playStory(stage, narrator, deps.now)
  } finally {
    record?.write()
    await stage.close()
  }
}
