import { expect, test } from 'vitest'
import { withAllWorkers } from '../chaos/recovery.ts'
import { fateOf, longestTakeover, type Work } from '../chaos/takeover.ts'

const chunk = (turn: number, until: number | null): Work => ({ mailing: '1', n: 3, turn, until })
const cutting = (turn: number): Work => ({ mailing: '1', n: -1, turn, until: null })

test.each([
  ['a chunk nobody renews', chunk(4, 8_000), chunk(4, 8_000), 'waits'],
  ['a chunk that another leases', chunk(4, 8_000), chunk(5, 17_000), 'taken-over'],
  ['a chunk that another has leased and ended by now', chunk(4, 8_000), chunk(5, null), 'taken-over'],
  ['a chunk whose holder lives', chunk(4, 8_000), chunk(4, 10_000), 'was-not-lost'],
  ['a chunk whose holder ended it', chunk(4, 8_000), chunk(4, null), 'was-not-lost'],
  ['a mailing that comes no further', cutting(0), cutting(0), 'waits'],
  ['a mailing that does', cutting(0), cutting(31), 'taken-over'],
])('of %s it is known what has become of it', (_what, was, is, fate) => {
  expect(fateOf(was, is)).toBe(fate)
})

test('the longest counts, less what all depend on was away, and while there was nobody', () => {
  const taken = [
    { what: 'one', from: 0, to: 9_000 },
    { what: 'two', from: 1_000, to: 14_000 },
  ]
  const longest = (...outages: [part: string, from: number, to: number][]) =>
    longestTakeover(
      taken,
      withAllWorkers(
        outages.map(([part, from, to]) => ({ part, from, to })),
        ['workers-1', 'workers-2'],
      ),
    )
  expect(longest()).toEqual({ seconds: 13, what: 'two' })
  expect(longest(['redis', 5_000, 12_000])).toEqual({ seconds: 6, what: 'two' })
  expect(longest(['workers-1', 5_000, 12_000])).toEqual({ seconds: 13, what: 'two' })
  expect(longest(['workers-1', 5_000, 12_000], ['workers-2', 6_000, 8_000], ['workers-2', 10_000, 11_000])).toEqual({
    ...{ seconds: 10, what: 'two' },
  })
  expect(longestTakeover([], [])).toEqual({ seconds: 0, what: '' })
})

test('a restart of PostgreSQL begins it anew', () => {
  const taken = [{ what: 'one', from: 0, to: 20_000 }]
  const hung = { part: 'postgres', from: 7_000, to: 9_000 }
  expect(longestTakeover(taken, [{ ...hung, restarted: true }]).seconds).toBe(11)
  expect(longestTakeover(taken, [hung]).seconds).toBe(18)
})
