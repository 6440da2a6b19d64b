import type { WakeableChunk } from '../delivery/chunk.sql.ts'
import type { MailingId, MailingKind } from '../mailing/mailing.ts'
import type { NoticeId } from '../notice/notice.ts'
import type { WakeUp } from './queues.ts'

/**
 * The wake-up for a chunk; its fence grows with each lease, so each turn is a job of its own.
 *
 * An abandoned one goes before all but the first chunks of mailings, for that turn. Before those, too, in an hour in which
 * workers are killed again and again, such chunks kept a release from beginning for a minute and a half; at its own rank one waited
 * for 94 s behind others of that rank. Whoever takes one up may be killed before that turn is begun, and its job then seems to be
 * worked for seconds: the chunk is woken under other names meanwhile, after 1, 2, 4, 6, 9 seconds and so on, which in an hour
 * are 120. The job tells which lease was found abandoned: another that holds by then is nobody's to take.
 */
export const chunkJob = ({ mailingId, n, rank, fence, abandoned, waited }: WakeableChunk): WakeUp<'mail-bulk'> => ({
  payload: { mailingId, chunk: n, ...(abandoned && { abandoned: abandoned.until }) },
  id: `mailing-${mailingId}-chunk-${n}-turn-${fence}${abandoned ? `-abandoned-${abandoned.until.replace(/\D/g, '')}-${abandoned.age}` : onceMore(waited)}`,
  rank: abandoned ? Math.min(rank, behindFirstChunks) : rank,
})

const behindFirstChunks = 1

/** Under one name for ever, it would wait for ever behind a job of which a queue has kept the name alone. */
const onceMore = (waited = 0) => (waited > 0 ? `-waited-${waited}` : '')

/** A morning's digests, one for each newsroom and choice of topics, come after the release that is due in the middle of them. */
export const fanOutJob = (mailingId: MailingId, turn: number, kind?: MailingKind): WakeUp<'fan-out'> => ({
  payload: { mailingId },
  id: `mailing-${mailingId}-turn-${turn}`,
  ...(kind === 'digest' ? { rank: 1 } : {}),
})

export const noticeJob = (noticeId: NoticeId, attempt: number, waited?: number): WakeUp<'notices'> => ({
  payload: { noticeId },
  id: `notice-${noticeId}-attempt-${attempt}${onceMore(waited)}`,
})
