import { type Command, Option } from 'commander'
import { type Settlement, settleDoubts } from '../../shared/delivery/settle-doubt.sql.ts'
import { cancelMailing, setPaused } from '../../shared/mailing/mailing.sql.ts'
import { type MailingKind, type MailingState, mailingKinds, mailingStates } from '../../shared/mailing/mailing.ts'
import { listMailings, type MailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import { tryAgain } from '../../shared/mailing/tries.sql.ts'
import { chooseMailing } from './choose-mailing.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { addRestoreCommand } from './mailing-restore.ts'
import { tellMailing, tellMailings } from './mailing-words.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { asJson, count } from './terminal.ts'

type Json = { json?: true }

/** `mailing list`, `show`, `pause`, `resume`, `try-again`, `cancel`, `settle`. */
export function addMailingCommands(program: Command, deps: CliDeps): void {
  const mailing = program
    .command('mailing')
    .description('releases on their way to readers: how far they have come, and stopping them')

  mailing
    .command('list')
    .description('the mailings, newest first')
    .option('--newsroom <slug>', 'only those of this newsroom')
    .addOption(
      new Option('--state <state>', 'only those in this state').choices([
        ...Object.keys(mailingStates),
        'live',
        'paused',
      ]),
    )
    .addOption(new Option('--kind <kind>', 'only those of this kind').choices(mailingKinds))
    .option('--limit <n>', 'how many', '20')
    .option('--json', 'answer in JSON')
    .addHelpText('after', listExamples)
    .action((options: ListOptions) => list(deps, options))

  mailing
    .command('show')
    .description('one mailing: its state, and what became of its letters')
    .argument('<id>', 'its number, as `mailing list` tells it')
    .option('--json', 'answer in JSON')
    .action((id: string, options: Json) => show(deps, id, options))

  mailing
    .command('pause')
    .description('begin no further letter until it is resumed; those under way end')
    .argument('<id>', 'its number')
    .option('--json', 'answer in JSON')
    .action((id: string, options: Json) => pause(deps, id, true, options))

  mailing
    .command('resume')
    .description('let a paused one go on where it stopped')
    .argument('<id>', 'its number')
    .option('--json', 'answer in JSON')
    .action((id: string, options: Json) => pause(deps, id, false, options))

  mailing
    .command('try-again')
    .description('set one going whose letters could not be prepared, once the reason is mended')
    .argument('<id>', 'its number')
    .option('--json', 'answer in JSON')
    .addHelpText('after', tryAgainExamples)
    .action((id: string, options: Json) => setGoing(deps, id, options))

  mailing
    .command('cancel')
    .description('stop it for good: what has not left is never sent')
    .argument('<id>', 'its number')
    .option('--yes', 'you mean it: this cannot be undone')
    .option('--json', 'answer in JSON')
    .addHelpText('after', cancelExamples)
    .action((id: string, options: Json & { yes?: true }) => cancel(deps, id, options))

  mailing
    .command('settle')
    .description('decide about letters held in doubt: sent again, or counted as sent')
    .argument('<id>', 'its number')
    .addOption(
      new Option('--as <what>', '`again`: send them once more; `sent`: take them for sent')
        .choices(['again', 'sent'])
        .makeOptionMandatory(),
    )
    .option('--json', 'answer in JSON')
    .addHelpText('after', settleExamples)
    .action((id: string, options: Json & { as: Settlement }) => settle(deps, id, options))

  addRestoreCommand(mailing, deps)
}

const listExamples = `
“live” is every state in which something is still to come, “paused” those of them that an operator has stopped. A
newsroom's digests of one day are as many mailings as there are different ones among its readers.

Examples:
  pressebud mailing list --state live
  pressebud mailing list --newsroom havna --limit 5 --json
  pressebud mailing list --kind digest
`
const tryAgainExamples = `
A mailing is “failed” when its letters could not be prepared: “pressebud mailing show” says why. One that is still
“accepted” and in trouble tries by itself, at growing distances; this makes the next try come at once. A correction by the
publisher does not need it.

Example:
  pressebud mailing list --state failed
  pressebud mailing try-again 12
`
const cancelExamples = `
To stop for a while only, pause. What has left has left; the release stays on the newsroom's page.

Example:
  pressebud mailing cancel 12 --yes
`
const settleExamples = `
A letter is in doubt when it was handed over whole and no reply was recorded. With IN_DOUBT=hold it stays so until you
have looked into the mail host's log:
  pressebud mailing settle 12 --as again   the host does not have it; whoever has it all the same gets it twice
  pressebud mailing settle 12 --as sent    the host has it; nothing is sent
Neither can be undone. All letters of the mailing that are in doubt are settled alike.
`

type ListOptions = Json & {
  newsroom?: string
  state?: MailingState | 'live' | 'paused'
  kind?: MailingKind
  limit: string
}

async function list({ terminal, surroundings }: CliDeps, options: ListOptions): Promise<void> {
  const limit = Number(options.limit)
  if (!/^\d{1,4}$/.test(options.limit) || limit === 0) throw usageMistake('--limit is a number from 1 to 9999.')
  const db = surroundings.database()
  const newsroom = options.newsroom === undefined ? null : (await chooseNewsroom(db, options.newsroom)).slug
  const live = ['embargoed', 'accepted', 'failed', 'cutting', 'sending']
  const isPaused = options.state === 'paused'
  const states = options.state === undefined ? null : isPaused || options.state === 'live' ? live : [options.state]
  const kind = options.kind ?? null
  const mailings = await listMailings(db, { newsroom, states, kind, paused: isPaused || null, before: null, limit })
  if (options.json) return terminal.out(asJson(mailings))
  terminal.out(tellMailings(terminal.paint, mailings))
}

async function show({ terminal, surroundings }: CliDeps, id: string, options: Json): Promise<void> {
  const mailing = await chooseMailing(surroundings.database(), id)
  terminal.out(options.json ? asJson(mailing) : tellMailing(terminal.paint, mailing))
}

async function pause(deps: CliDeps, id: string, paused: boolean, options: Json): Promise<void> {
  const db = deps.surroundings.database()
  const mailing = await chooseMailing(db, id)
  const became = await setPaused(db, mailing.id, paused)
  if (became === 'over') throw isOver(await chooseMailing(db, id))
  if (became === 'already')
    throw new Mistake(`Mailing ${id} is ${paused ? 'paused already' : 'not paused'}; nothing was changed.`)
  await tell(deps, id, pausingWords(id, paused, became === 'done, given up'), options)
}

function pausingWords(id: string, paused: boolean, isGivenUp: boolean): string {
  const again = `pressebud mailing try-again ${id}`
  if (paused)
    return isGivenUp
      ? `Mailing ${id} is paused. It was given up, so nothing of it leaves anyhow; this ends both: ${again}`
      : `Mailing ${id} is paused. Letters under way end; to go on: pressebud mailing resume ${id}`
  return isGivenUp
    ? `Mailing ${id} is not paused any more. It was given up: nothing of it leaves before ${again}`
    : `Mailing ${id} goes on within a few seconds, or once its hour has come.`
}

async function setGoing(deps: CliDeps, id: string, options: Json): Promise<void> {
  const db = deps.surroundings.database()
  const mailing = await chooseMailing(db, id)
  if (!(await tryAgain(db, mailing.id)))
    throw new Mistake(
      mailing.trouble !== null && mailing.state === 'accepted'
        ? `Mailing ${id} is being tried at this moment: nothing was changed. “pressebud mailing show ${id}” tells how it ends.`
        : `Nothing holds up mailing ${id} (${mailing.state}): nothing was changed.`,
    )
  await tell(deps, id, `Mailing ${id} is set going: workers try to prepare its letters within a few seconds.`, options)
}

async function cancel(deps: CliDeps, id: string, options: Json & { yes?: true }): Promise<void> {
  const db = deps.surroundings.database()
  const mailing = await chooseMailing(db, id)
  if (!options.yes)
    throw usageMistake(
      `Mailing ${id} is not cancelled yet: that cannot be undone.`,
      `${count(mailing.totals.sent, 'letter has', 'letters have')} left; whoever has none yet gets none.`,
      `If you mean it: pressebud mailing cancel ${id} --yes`,
    )
  if (!(await cancelMailing(db, mailing.id))) throw isOver(await chooseMailing(db, id))
  await tell(deps, id, `Mailing ${id} is cancelled. What was not sent stays unsent.`, options)
}

async function settle(deps: CliDeps, id: string, options: Json & { as: Settlement }): Promise<void> {
  const { terminal, surroundings } = deps
  const pool = surroundings.database()
  const mailing = await chooseMailing(pool, id)
  const settled = await settleDoubts(pool, mailing.id, options.as)
  if (typeof settled === 'string')
    throw new Mistake(`Mailing ${id} sends nothing any more: it was cancelled, or a later revision replaced it.`, [
      `Its letters in doubt can only be counted as sent: pressebud mailing settle ${id} --as sent`,
    ])
  if (options.json) terminal.out(asJson(settled))
  else if (settled.letters > 0) {
    const became = options.as === 'again' ? 'due again and leave within a few seconds' : 'counted as sent'
    terminal.out(`${terminal.paint.good('✓')} ${count(settled.letters, 'letter is', 'letters are')} ${became}.\n`)
  } else if (settled.left === 0) terminal.out(`No letter of mailing ${id} is in doubt.\n`)
  if (settled.left > 0)
    throw new Mistake(`${count(settled.left, 'letter is', 'letters are')} in a worker's hands and still in doubt.`, [
      'Run the same command again in a second; where a worker was lost, in a minute.',
    ])
}

const isOver = ({ id, state }: MailingProgress) =>
  new Mistake(`Mailing ${id} is over already (${state}); nothing was changed.`)

async function tell({ terminal, surroundings }: CliDeps, id: string, done: string, { json }: Json): Promise<void> {
  if (json) return terminal.out(asJson(await chooseMailing(surroundings.database(), id)))
  terminal.out(`${terminal.paint.good('✓')} ${done}\n`)
}
