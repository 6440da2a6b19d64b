import type { WakeableChunk } from '../delivery/chunk.sql.ts'
import type { MailingId } from '../mailing/mailing.ts'
import type { NoticeId } from '../notice/notice.ts'
import type { WakeUp } from './queues.ts'

/**
 * The wake-up for a chunk; its fence counts the leases it has had, so each turn is a job of its own.
 *
 * An abandoned one keeps its place. Put before all that wait, in an hour in which workers are killed again and again, such
 * chunks kept a release from beginning for a minute and a half. Whoever takes one up may be killed before that turn is begun,
 * and its job then seems to be worked for seconds: the chunk is woken under other names meanwhile, after 1, 2, 4, 6, 9 seconds
 * and so on, which in an hour are 120.
 */
export const chunkJob = ({ mailingId, n, rank, fence, abandoned }: WakeableChunk): WakeUp<'mail-bulk'> => ({
  payload: { mailingId, chunk: n },
  id: `mailing-${mailingId}-chunk-${n}-turn-${fence}${abandoned == null ? '' : `-abandoned-${abandoned}`}`,
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
