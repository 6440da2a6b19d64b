import type { MachineFigures } from '../../../shared/mailing/machine-figures.sql.ts'
import { number, span } from '../pages/format.ts'

export type Finding = {
  readonly label: string
  readonly value: string
  readonly meaning: string
  /** Something waits that should not; then `todo` says where to look. */
  readonly wrong: boolean
  readonly todo: string | null
  readonly href: string | null
}

/** Workers reach for due work every few seconds; what has waited a minute waits for a reason. */
const patienceSeconds = 60

/** A dead worker's lease runs out in eight seconds and the reconciler wakes what is due every five: several rounds of both. */
const stallSeconds = 30

/** What the house's figures mean to somebody who has just been woken by them. */
export function judgeMachine(figures: MachineFigures, now: Date): Finding[] {
  const age = (since: Date | null) => (since === null ? 0 : Math.max(0, (now.getTime() - since.getTime()) / 1000))
  const { oldestDueChunk } = figures
  const chunkAge = age(oldestDueChunk?.since ?? null)
  const stalled = age(figures.stalledSince)
  const uncutAge = age(figures.oldestUncutSince)
  const noticeAge = age(figures.oldestNoticeSince)

  return [
    {
      label: 'Oldest due chunk',
      value:
        oldestDueChunk === null
          ? 'none waits'
          : `has waited ${span(chunkAge)}, ${stalled > 0 ? `and for ${span(stalled)} nobody works` : 'while others are worked'}`,
      meaning:
        'A due chunk may be worked now. In a large mailing the last ones wait long, and that is well as long as workers hold or finish other chunks. When none has for half a minute, it is not.',
      wrong: stalled > stallSeconds,
      todo: 'Is a workers process running, and does its log say why not?',
      href: oldestDueChunk === null ? null : `/mailings/${oldestDueChunk.mailingId}`,
    },
    {
      label: 'Lapsed leases',
      value: number(figures.lapsedLeases),
      meaning: 'Chunks whose worker vanished in the middle. Another takes them over by itself; no letter is lost.',
      wrong: figures.lapsedLeases > 0 && stalled > stallSeconds,
      todo: 'No worker has taken them over, and none is at anything else: look whether any is left.',
      href: null,
    },
    {
      label: 'Mailings waiting to be cut',
      value:
        figures.uncutMailings === 0
          ? 'none waits'
          : `${number(figures.uncutMailings)}, the oldest for ${span(uncutAge)}`,
      meaning: 'Due mailings whose audience is not yet cut whole. A large audience takes a while; a small one seconds.',
      wrong: uncutAge > patienceSeconds,
      todo: 'Nothing leaves for readers not yet in a chunk. Is the fan-out stage among those the workers run?',
      href: null,
    },
    {
      label: 'Notices overdue',
      value:
        figures.dueNotices === 0 ? 'none waits' : `${number(figures.dueNotices)}, the oldest for ${span(noticeAge)}`,
      meaning: 'Confirmation letters and the like, which a reader is waiting for at this moment.',
      wrong: noticeAge > patienceSeconds,
      todo: 'New readers cannot confirm. Look at the mail host first, then at the workers.',
      href: null,
    },
    {
      label: 'Open chunks',
      value: number(figures.openChunks),
      meaning:
        'Chunks with letters not yet settled: waiting, being sent, or holding letters that wait to be tried again.',
      wrong: false,
      todo: null,
      href: null,
    },
    {
      label: 'Mailings not over',
      value:
        figures.pausedMailings === 0
          ? number(figures.liveMailings)
          : `${number(figures.liveMailings)}, ${number(figures.pausedMailings)} of them paused`,
      meaning: 'Embargoed, waiting or on their way.',
      wrong: false,
      todo: null,
      href: '/?state=live',
    },
  ]
}
