import { expect, test } from 'vitest'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { chunkJob, fanOutJob, noticeJob } from '../../shared/queues/jobs.ts'

const until = '2026-05-04 09:00:08+00'
const chunk = { mailingId: '7' as MailingId, n: 3, fence: '5' }

test('what a lost worker left behind goes before all but the first chunks of mailings, and is woken again under other names', () => {
  expect(chunkJob({ ...chunk, rank: 40 })).toMatchObject({ rank: 40, id: 'mailing-7-chunk-3-turn-5' })
  const held = chunkJob({ ...chunk, rank: 40, abandoned: null })
  expect([held.payload, held.rank]).toEqual([{ mailingId: '7', chunk: 3 }, 40])
  expect(chunkJob({ ...chunk, rank: 40, abandoned: { until, age: 0 } })).toMatchObject({
    payload: { mailingId: '7', chunk: 3, abandoned: until },
    rank: 1,
    id: 'mailing-7-chunk-3-turn-5-abandoned-2026050409000800-0',
  })
  expect(chunkJob({ ...chunk, rank: 0, abandoned: { until, age: 2 } })).toMatchObject({
    rank: 0,
    id: 'mailing-7-chunk-3-turn-5-abandoned-2026050409000800-2',
  })
})

test('a digest is prepared after the releases that wait', () => {
  expect(fanOutJob('7' as MailingId, 3, 'digest')).toMatchObject({ rank: 1 })
  for (const kind of ['release', 'correction', 'withdrawal', undefined] as const)
    expect(fanOutJob('7' as MailingId, 3, kind)).not.toHaveProperty('rank')
})

test('what waits for long is woken under other names: a queue may keep a name and have lost the job', () => {
  const named = (waited: number) => chunkJob({ ...chunk, rank: 4, waited }).id
  expect([named(0), named(1), named(2)]).toEqual(
    ['', '-waited-1', '-waited-2'].map((end) => `mailing-7-chunk-3-turn-5${end}`),
  )
  expect(noticeJob('9' as NoticeId, 2).id).toBe('notice-9-attempt-2')
  expect(noticeJob('9' as NoticeId, 2, 3).id).toBe('notice-9-attempt-2-waited-3')
})
