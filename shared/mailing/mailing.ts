import type { Brand } from '../brand.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'
import type { ReleaseId } from '../release/release.ts'

export type MailingId = Brand<string, 'MailingId'>

export const mailingKinds = ['release', 'correction', 'withdrawal', 'digest'] as const
export type MailingKind = (typeof mailingKinds)[number]

/** What each state of a mailing means, in an operator's words. */
export const mailingStates = {
  embargoed: 'Accepted; waiting for its hour.',
  accepted: 'Due; waiting to be prepared and cut into chunks.',
  failed: 'Given up: its letters cannot be prepared, and why is told. An operator can set it going again.',
  cutting: 'Being cut into chunks; the first ones are already being sent.',
  sending: 'Cut whole; its chunks are being sent.',
  done: 'Every letter has ended in a named state.',
  cancelled: 'Stopped by an operator; what was unsent stays unsent.',
  superseded: 'Replaced by a later revision; what was unsent stays unsent.',
} as const
export type MailingState = keyof typeof mailingStates

/** One thing to send to one audience. */
export type Mailing = {
  readonly id: MailingId
  readonly newsroomId: NewsroomId
  readonly kind: MailingKind
  readonly releaseId: ReleaseId | null
  readonly revision: number | null
  readonly state: MailingState
  readonly paused: boolean
  readonly acceptedAt: Date
  readonly dueAt: Date
}

const next: Record<MailingState, readonly MailingState[]> = {
  embargoed: ['accepted', 'cancelled', 'superseded'],
  accepted: ['cutting', 'failed', 'cancelled', 'superseded'],
  failed: ['accepted', 'cancelled', 'superseded'],
  cutting: ['sending', 'cancelled', 'superseded'],
  sending: ['done', 'cancelled', 'superseded'],
  // When an operator has letters held in doubt, or refused wrongly, sent again.
  done: ['sending'],
  cancelled: [],
  superseded: [],
}

/** The states from which `to` can be entered: the guard of every statement that changes one. */
export const canEnter = (to: MailingState): readonly MailingState[] =>
  (Object.keys(next) as MailingState[]).filter((from) => next[from].includes(to))

/** One that was given up sends nothing, paused or not; but digests leave out the release of one that is paused. */
export const pausableStates: readonly MailingState[] = ['embargoed', 'accepted', 'failed', 'cutting', 'sending']

/** What became of the wish to pause or to resume one: done, also to one that was given up; so already; or too late. */
export type Pausing = 'done' | 'done, given up' | 'already' | 'over'

/** Letters may leave only in these. */
export const sendingStates: readonly MailingState[] = ['cutting', 'sending']
