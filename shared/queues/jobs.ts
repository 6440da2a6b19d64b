import type { WakeableChunk } from '../delivery/chunk.sql.ts'
import type { MailingId } from '../mailing/mailing.ts'
import type { NoticeId } from '../notice/notice.ts'
import type { WakeUp } from './queues.ts'

/** The wake-up for a chunk; its fence counts the leases it has had, so each turn is a job of its own. */
export const chunkJob = ({ mailingId, n, rank, fence }: WakeableChunk): WakeUp<'mail-bulk'> => ({
  payload: { mailingId, chunk: n },
  id: `mailing-${mailingId}-chunk-${n}-turn-${fence}`,
  rank,
})

export const fanOutJob = (mailingId: MailingId, turn: number): WakeUp<'fan-out'> => ({
  payload: { mailingId },
  id: `mailing-${mailingId}-turn-${turn}`,
})

export const noticeJob = (noticeId: NoticeId, attempt: number): WakeUp<'notices'> => ({
  payload: { noticeId },
  id: `notice-${noticeId}-attempt-${attempt}`,
})
