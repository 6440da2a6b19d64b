import { afterEach, expect, test, vi } from 'vitest'
import { openWebhookTurns } from '../../services/api/publisher/webhook-turns.ts'
import { signal } from '../rig/hand-over.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('a webhook that waited behind a database that is away hears so, and does not begin', async () => {
  const clock = performance.now.bind(performance)
  let later = 0
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + later)
  const { inTurn } = openWebhookTurns()
  const { given: itGivesUp, give: giveUp } = signal()
  const stuck = [1, 2, 3, 4].map(() => inTurn('havneby', () => itGivesUp.then(() => 'stuck')))
  let begun = 0
  const behind = Array.from({ length: 20 }, () =>
    inTurn('havneby', async () => {
      begun += 1
      return 'stored'
    }),
  )
  await new Promise((resolve) => setImmediate(resolve))
  later = 6_000
  giveUp()
  expect(await Promise.all(stuck)).toEqual(Array(4).fill('stuck'))
  expect(await Promise.all(behind)).toEqual(Array(20).fill(null))
  expect(begun).toBe(0)
  // Nobody is left in the way of the next.
  expect(await inTurn('havneby', async () => 'stored')).toBe('stored')
})
