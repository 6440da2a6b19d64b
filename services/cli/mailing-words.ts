import { mailingStates } from '../../shared/mailing/mailing.ts'
import type { MailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import { count, factsOf, type Paint, tableOf } from './terminal.ts'

/** Mailings, a line each. */
export function tellMailings(paint: Paint, mailings: readonly MailingProgress[]): string {
  if (mailings.length === 0) return 'There is no such mailing.\n'
  const rows = mailings.map((mailing) => [
    mailing.id,
    mailing.newsroomSlug,
    standing(mailing),
    number(mailing.totals.readers),
    number(mailing.totals.sent),
    number(mailing.totals.failed),
    number(mailing.totals.inDoubt),
    titleOf(mailing),
  ])
  return tableOf(paint, ['Mailing', 'Newsroom', 'State', 'Readers', 'Sent', 'Failed', 'In doubt', 'Title'], rows)
}

/** One mailing from near. */
export function tellMailing(paint: Paint, mailing: MailingProgress): string {
  const { totals, trouble } = mailing
  const facts = factsOf(paint, [
    ['Mailing', `${mailing.id}: ${titleOf(mailing)}`],
    ['Newsroom', `${mailing.newsroomName} (${mailing.newsroomSlug})`],
    ['Kind', kindOf(mailing)],
    ['State', `${standing(mailing)}: ${mailingStates[mailing.state]}`],
    ...(trouble === null
      ? []
      : ([
          ['Why', trouble.reason],
          ['Tried', `${count(trouble.tries, 'time', 'times')} since ${minuteOf(trouble.since)}`],
          ['Next try', trouble.nextAt === null ? 'when you set it going' : secondOf(trouble.nextAt)],
        ] as const)),
    ['Accepted', minuteOf(mailing.acceptedAt)],
    ['Due', minuteOf(mailing.dueAt)],
    ['Started', minuteOf(mailing.startedAt)],
    ['Ended', minuteOf(mailing.doneAt)],
    ['Readers', number(totals.readers)],
    ['Sent', number(totals.sent)],
    ['Deferred', number(totals.deferred)],
    ['Bounced', number(totals.bounced)],
    ['Failed', number(totals.failed)],
    ['Opted out', number(totals.optedOut)],
    ['Suppressed', number(totals.suppressed)],
    ['Withdrawn', number(totals.withdrawn)],
    ['In doubt', number(totals.inDoubt)],
    ['Ever in doubt', number(totals.doubted)],
    ['Chunks', `${number(totals.chunksDone)} of ${number(totals.chunks)} done`],
  ])
  if (mailing.state === 'failed')
    return `${facts}\nNothing of it leaves. Once the reason is mended: pressebud mailing try-again ${mailing.id}\n`
  if (totals.inDoubt === 0) return facts
  return `${facts}\n${count(totals.inDoubt, 'letter waits', 'letters wait')} for you to settle: pressebud mailing settle --help\n`
}

const titleOf = ({ title, digest }: MailingProgress) => {
  const words = title?.trim()
  if (digest === null) return words || '(no title)'
  return words ? `Digest: ${words}` : `Digest of ${count(digest.releases, 'release', 'releases')}`
}

function kindOf({ kind, revision, digest }: MailingProgress): string {
  if (digest === null) return revision !== null && revision > 1 ? `${kind}, revision ${revision}` : kind
  // One that makes up for a digest a revision has replaced goes to readers of either frequency.
  return `${digest.frequency ?? 'renewed'} ${kind}, ${count(digest.releases, 'release', 'releases')}`
}

const over = ['done', 'cancelled', 'superseded']
const standing = ({ state, paused, trouble }: MailingProgress) =>
  [
    state,
    ...(paused && !over.includes(state) ? ['paused'] : []),
    ...(trouble !== null && state === 'accepted' ? ['in trouble'] : []),
  ].join(', ')

const number = (n: number) => n.toLocaleString('en-GB')

const secondOf = (at: Date) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`

const minuteOf = (at: Date | null) =>
  at === null ? 'not yet' : `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
