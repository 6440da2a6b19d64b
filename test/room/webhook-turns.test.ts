import { afterEach, expect, test, vi } from 'vitest'
import { openWebhookTurns } from '../../services/api/publisher/webhook-turns.ts'
import { signal } from '../rig/hand-over.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Takes all the places there are, until told otherwise. */
function fillPlaces(turns: ReturnType<typeof openWebhookTurns>) {
  const { given: itIsOver, give: end } = signal()
  let fault: Error | null = null
  const stuck = ['havneby', 'havneby', 'havneby', 'byporten'].map((slug) =>
    turns.inTurn(slug, async () => {
      await itIsOver
      if (fault) throw fault
      return 'stored'
    }),
  )
  return {
    stuck,
    end: (how: Error | null = null) => {
      fault = how
      end()
    },
  }
}

test('a webhook that waited too long for its turn hears so at once, and does not begin', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const turns = openWebhookTurns()
  const { stuck, end } = fillPlaces(turns)
  let begun = 0
  const behind = Array.from({ length: 20 }, () =>
    turns.inTurn('havneby', async () => {
      begun += 1
      return 'stored'
    }),
  )
  await vi.advanceTimersByTimeAsync(4_000)
  // Those before it are stuck still.
  expect(await Promise.all(behind)).toEqual(Array(20).fill('too late'))
  end()
  expect(await Promise.all(stuck)).toEqual(Array(4).fill({ answer: 'stored' }))
  expect(begun).toBe(0)
  // Nobody is left in the way of the next.
  expect(await turns.inTurn('havneby', async () => 'stored')).toEqual({ answer: 'stored' })
})

test('what one learns of a database that is away is told to all who wait behind it', async () => {
  const turns = openWebhookTurns()
  const { stuck, end } = fillPlaces(turns)
  let begun = 0
  const behind = ['havneby', 'byporten'].flatMap((slug) =>
    Array.from({ length: 20 }, () =>
      turns.inTurn(slug, async () => {
        begun += 1
      }),
    ),
  )
  end(new Error('Query read timeout'))
  expect(await Promise.all(behind)).toEqual(Array(40).fill('too late'))
  expect((await Promise.allSettled(stuck)).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
  expect(begun).toBe(0)
  expect(await turns.inTurn('havneby', async () => 'stored')).toEqual({ answer: 'stored' })
})

test('what is wrong with one webhook is nothing to those who wait behind it', async () => {
  const turns = openWebhookTurns()
  const { stuck, end } = fillPlaces(turns)
  const behind = Array.from({ length: 20 }, () => turns.inTurn('havneby', async () => 'stored'))
  end(new Error('a mistake of ours'))
  expect(await Promise.all(behind)).toEqual(Array(20).fill({ answer: 'stored' }))
  expect((await Promise.allSettled(stuck)).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
})

test('what one newsroom keeps locked keeps no other’s webhooks from being stored', async () => {
  const turns = openWebhookTurns()
  const { given: itIsOver, give: end } = signal()
  const stuck = Array.from({ length: 100 }, () => turns.inTurn('havneby', () => itIsOver))
  for (let time = 0; time < 3; time += 1)
    expect(await turns.inTurn('byporten', async () => 'stored')).toEqual({ answer: 'stored' })
  // Also those that have to wait for a place: who has fewest at work comes first.
  const kept = signal()
  const last = turns.inTurn('byporten', () => kept.given)
  const behind = turns.inTurn('fjordby', async () => 'stored')
  kept.give()
  expect(await behind).toEqual({ answer: 'stored' })
  await last
  end()
  expect(await Promise.all(stuck)).toHaveLength(100)
})

test('a webhook that waited for a lock until its statement was given up says nothing of the database', async () => {
  const turns = openWebhookTurns()
  const { stuck, end } = fillPlaces(turns)
  const behind = turns.inTurn('fjordby', async () => 'stored')
  end(Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }))
  expect(await behind).toEqual({ answer: 'stored' })
  await Promise.allSettled(stuck)
})
