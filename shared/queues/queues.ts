import type { MailingId } from '../mailing/mailing.ts'
import type { NoticeId } from '../notice/notice.ts'

/**
 * Every queue: what its jobs carry, who adds them and who works them. Jobs name what is to be done; the rows carry the promise.
 * `abandoned`: the hour, as PostgreSQL writes it, at which the lease ran out that may be taken over.
 */
export type Payloads = {
  'fan-out': { readonly mailingId: MailingId }
  'mail-bulk': { readonly mailingId: MailingId; readonly chunk: number; readonly abandoned?: string }
  notices: { readonly noticeId: NoticeId }
}
export type QueueName = keyof Payloads

export const queueTable: Record<QueueName, { readonly addedBy: string; readonly workedBy: string }> = {
  'fan-out': { addedBy: 'accept-webhook, cut-digests, try-once, reconcile', workedBy: 'workers/fan-out' },
  'mail-bulk': { addedBy: 'cut-audience, send-chunk, reconcile', workedBy: 'workers/mailer/send-chunk' },
  notices: {
    addedBy: 'sign-up, reader doors that owe a letter, answer-link-requests, reconcile',
    workedBy: 'workers/mailer/send-notice',
  },
}

export const queueNames = Object.keys(queueTable) as QueueName[]

/** One wake-up. */
export type WakeUp<Name extends QueueName = QueueName> = {
  readonly payload: Payloads[Name]
  /**
   * Two wake-ups of one id are one job, as long as the first waits or is worked; one that has ended is not kept. It carries
   * the turn or attempt, because a namesake still being worked would swallow the next one; it holds neither a colon nor
   * digits alone, which BullMQ refuses.
   */
  readonly id: string
  /** Lower goes first; 0 to 2,097,151. */
  readonly rank?: number
}
