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

/** A mail host that is slow at each step keeps one letter for 22 minutes: five, five, two and ten (RFC 5321 4.5.3.2). */
const vainSeconds = 1_800

/** A pause is somebody's decision, for an hour or an evening. */
const longPauseSeconds = 86_400

/** What the house's figures mean to somebody who has just been woken by them. */
export function judgeMachine(figures: MachineFigures, now: Date): Finding[] {
  const age = (since: Date | null) => (since === null ? 0 : Math.max(0, (now.getTime() - since.getTime()) / 1000))
  const { oldestDueChunk } = figures
  const chunkAge = age(oldestDueChunk?.since ?? null)
  const stalled = age(figures.stalledSince)
  const uncutAge = age(figures.oldestUncutSince)
  const noticeAge = age(figures.oldestNoticeSince)
  const inVain = figures.longestInVain
  const vainAge = age(inVain?.since ?? null)
  const pauseAge = age(figures.pausedSince)

  return [
    {
      label: 'The database',
      value: figures.isReadOnly ? 'may only be read' : 'may be read and written',
      meaning: 'Everything promised is a row in it.',
      wrong: figures.isReadOnly,
      todo: 'Nothing is accepted and nothing is sent. Does DATABASE_URL lead to a standby, or to one that has not taken over yet?',
      href: null,
    },
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
      label: 'Chunks worked in vain',
      value:
        inVain === null || vainAge <= patienceSeconds
          ? 'none'
          : `chunk ${inVain.n} of mailing ${inVain.mailingId}, for ${span(vainAge)}`,
      meaning: 'In a worker’s hands again and again, or all the time, and no letter of it comes to an outcome.',
      wrong: vainAge > vainSeconds,
      todo: 'A fault comes back each time, or ends the worker. The workers’ logs tell it; “mailing” and “chunk” are in the line.',
      href: inVain === null || vainAge <= patienceSeconds ? null : `/mailings/${inVain.mailingId}`,
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
      todo: 'Nothing leaves for readers not yet in a chunk. Is a workers process running, and what does its log say of it?',
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
      value: number(figures.liveMailings),
      meaning: 'Embargoed, waiting or on their way.',
      wrong: false,
      todo: null,
      href: '/?state=live',
    },
    {
      label: 'Paused mailings',
      value:
        figures.pausedMailings === 0
          ? 'none'
          : `${number(figures.pausedMailings)}${pauseAge > 0 ? `, the longest for ${span(pauseAge)}` : ''}`,
      meaning: 'An operator has stopped them; their readers wait until somebody lets them go on.',
      wrong: pauseAge > longPauseSeconds,
      todo: 'Has it been forgotten? Resume it, or cancel it if it is to go nowhere.',
      href: figures.pausedMailings === 0 ? null : '/?state=paused',
    },
  ]
}
