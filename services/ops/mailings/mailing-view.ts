import type { MailingProgress, Totals } from '../../../shared/mailing/mailing-progress.sql.ts'
import { number, plural, span } from '../pages/format.ts'
import {
  type FigureName,
  figureNames,
  isLive,
  kindOf,
  pausedWords,
  type StateWords,
  stateWords,
  troubledWords,
} from '../pages/words.ts'

export type Bar = { readonly value: number; readonly most: number; readonly text: string }

/** A mailing as pages show it; `figures` are told by number and as text so that a script only puts them in place. */
export type MailingView = {
  readonly mailing: MailingProgress
  readonly title: string
  readonly kind: string
  readonly state: StateWords
  readonly live: boolean
  /** Its figures change still: also what is unsent of one that was stopped is closed by workers, chunk by chunk. */
  readonly moves: boolean
  readonly stateKey: string
  readonly bar: Bar
  readonly figures: Readonly<Record<FigureName | 'refused', string>>
  readonly pace: string
}

export function viewMailing(mailing: MailingProgress, now: Date): MailingView {
  const { totals } = mailing
  return {
    mailing,
    title: titleOf(mailing),
    kind: kindOf(mailing),
    state: wordsOf(mailing),
    live: isLive(mailing.state),
    moves: isLive(mailing.state) || settledOf(totals) < totals.readers,
    bar: barOf(mailing),
    figures: {
      ...(Object.fromEntries(figureNames.map((name) => [name, number(totals[name])])) as Record<FigureName, string>),
      refused: number(totals.bounced + totals.failed),
    },
    stateKey: keyOf(mailing),
    pace: paceOf(mailing, now),
  }
}

/** What changes while a mailing is on its way, under the names of the places it stands in on the page. */
export type LiveFigures = {
  readonly id: string
  /** A page that shows another state than this one is out of date as a whole. */
  readonly state: string
  readonly texts: Readonly<Record<string, string>>
  readonly bar: Bar
  readonly settled: number
}

export const liveFigures = (view: MailingView): LiveFigures => ({
  id: view.mailing.id,
  state: view.stateKey,
  texts: { ...view.figures, pace: view.pace, progress: view.bar.text },
  bar: view.bar,
  settled: settledOf(view.mailing.totals),
})

function wordsOf({ state, paused, trouble }: MailingProgress): StateWords {
  if (state === 'failed' || !isLive(state)) return stateWords(state)
  if (paused) return pausedWords
  return trouble === null ? stateWords(state) : troubledWords
}

/** A try more is another standing: what the page says of it is no longer true. */
const keyOf = ({ state, paused, trouble }: MailingProgress) =>
  [state, ...(paused ? ['paused'] : []), ...(trouble ? [`tries-${trouble.tries}`] : [])].join(' ')

const titleOf = ({ title, digest }: MailingProgress) => {
  const words = title?.trim()
  if (words) return words
  return digest === null ? '(no title)' : `Digest of ${plural(digest.releases, 'release', 'releases')}`
}

const settledOf = (totals: Totals) =>
  totals.sent + totals.bounced + totals.failed + totals.optedOut + totals.suppressed + totals.withdrawn + totals.inDoubt

function barOf(mailing: MailingProgress): Bar {
  const { readers } = mailing.totals
  const settled = Math.min(settledOf(mailing.totals), readers)
  const share = readers === 0 ? 0 : Math.floor((100 * settled) / readers)
  const bar = (text: string) => ({
    value: readers === 0 && mailing.state === 'done' ? 1 : settled,
    most: Math.max(readers, 1),
    text,
  })
  if (readers === 0) return bar(nothingCut[mailing.state] ?? 'No chunk is cut yet')
  const told = `${number(settled)} of ${plural(readers, 'reader', 'readers')} (${share} %)`
  if (mailing.state === 'cutting') return bar(`${told} so far; the audience is still being cut`)
  return bar(told)
}

const nothingCut: Partial<Record<MailingProgress['state'], string>> = {
  embargoed: 'Waits for its hour; no chunk is cut yet',
  accepted: 'Waits to be cut into chunks',
  failed: 'Given up before any chunk was cut',
  cutting: 'The first chunk is being cut',
  done: 'Nobody was following: no letter was owed',
  cancelled: 'Stopped before any chunk was cut',
  superseded: 'Replaced before any chunk was cut',
}

/** Letters taken by the mail host in a minute, from the start until the end or now. */
function paceOf({ startedAt, doneAt, totals }: MailingProgress, now: Date): string {
  if (startedAt === null) return 'Not started'
  const seconds = ((doneAt ?? now).getTime() - startedAt.getTime()) / 1000
  if (totals.sent === 0 || seconds < 1) return doneAt === null ? 'No letter sent yet' : 'No letter was sent'
  const perMinute = plural(Math.round((totals.sent * 60) / seconds), 'letter', 'letters')
  return doneAt === null
    ? `${perMinute} a minute since the start, ${span(seconds)} ago`
    : `${perMinute} a minute over ${span(seconds)}`
}
