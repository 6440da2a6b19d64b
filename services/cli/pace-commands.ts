import type { Command } from 'commander'
import { type DomainPace, dropPace, listPaces } from '../../shared/delivery/pace.sql.ts'
import type { CliDeps } from './cli-deps.ts'
import { Mistake, usageMistake } from './mistake.ts'
import { asJson, count, plain, tableOf } from './terminal.ts'

type Json = { json?: true }

/** `pace list`, `free`. */
export function addPaceCommands(program: Command, deps: CliDeps): void {
  const pace = program
    .command('pace')
    .description('receiving domains that are slow or refuse us, and letting them run free')

  pace
    .command('list')
    .description('those sent to slowly or held: the worst first')
    .option('--json', 'answer in JSON')
    .action((options: Json) => list(deps, options))

  pace
    .command('free')
    .description('send to it as fast as the mail host takes it again')
    .argument('<domain>', 'as `pace list` tells it')
    .option('--json', 'answer in JSON')
    .addHelpText('after', freeExamples)
    .action((domain: string, options: Json) => free(deps, domain, options))
}

const freeExamples = `
For when the reason is mended: without it, a domain finds its way back some minutes after its hold has ended. One that is
still slow or still refuses us gets a new pace. Letters put off before this keep the turn they were given.

Example:
  pressebud pace free mail.example
`

/** Far more than there ever are: one row for each receiving domain in trouble. */
const most = 100_000

async function list({ terminal, surroundings, now }: CliDeps, options: Json): Promise<void> {
  const at = now()
  const { paces } = await listPaces(surroundings.database(), at, most)
  if (options.json) return terminal.out(asJson(paces.map((pace) => asTold(pace, at))))
  if (paces.length === 0)
    return terminal.out('No receiving domain has a pace: all are sent to as fast as the mail host takes it.\n')
  const rows = paces.map((pace) => {
    const { state, heldUntil, changedAt } = asTold(pace, at)
    const rate = heldUntil === null ? Number(pace.rate.toPrecision(2)).toString() : '0'
    return [pace.domain, state, rate, secondOf(heldUntil), secondOf(changedAt), shortened(pace.detail)]
  })
  const headings = ['Domain', 'Why', 'Letters/s', 'Held until (UTC)', 'Changed (UTC)', 'What decided']
  terminal.out(tableOf(terminal.paint, headings, rows))
}

async function free({ terminal, surroundings }: CliDeps, given: string, options: Json): Promise<void> {
  const domain = given.trim().toLowerCase()
  // No name is longer. An address is a likely slip, and its domain is easily meant.
  if (domain === '' || domain.length > 255 || domain.includes('@') || domain.includes('\0'))
    throw usageMistake(
      `“${plain(given).slice(0, 80)}” is not a domain.`,
      '`pressebud pace list` tells those with a pace.',
    )
  if (!(await dropPace(surroundings.database(), domain)))
    throw new Mistake(`${plain(domain)} has no pace: it runs free already.`, [
      '`pressebud pace list` tells those that have one.',
    ])
  if (options.json) return terminal.out(asJson({ domain, freed: true }))
  terminal.out(
    `${terminal.paint.good('✓')} ${plain(domain)} runs free. Letters put off before this keep the turn they were given.\n`,
  )
}

function asTold({ domain, reason, rate, heldUntil, holds, detail, changedAt }: DomainPace, now: Date) {
  const isHeld = heldUntil > now.getTime()
  return {
    domain,
    state: reason === 'slow' ? 'slow' : isHeld ? `held, ${count(holds, 'time', 'times')} in a row` : 'recovering',
    reason,
    rate,
    heldUntil: isHeld ? new Date(heldUntil) : null,
    holds,
    detail,
    changedAt: new Date(changedAt),
  }
}

const secondOf = (at: Date | null) => (at === null ? '–' : at.toISOString().slice(0, 19).replace('T', ' '))

const shortened = (text: string) => (text.length > 100 ? `${text.slice(0, 99)}…` : text)
