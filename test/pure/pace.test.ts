import { describe, expect, test } from 'vitest'
import { adaptPace, domainOf, freeRate, type Pace, type Sighting } from '../../shared/delivery/pace.ts'

const seen = (wishes: Partial<Sighting>): Sighting => ({
  accepted: 10,
  blocked: 0,
  meanMs: 20,
  othersMs: 20,
  reply: '',
  ...wishes,
})
const minute = 60_000

describe('a receiving domain', () => {
  test('that answers like the others has no pace', () => {
    expect(adaptPace(null, seen({}), 0)).toBeNull()
    expect(adaptPace(null, seen({ meanMs: 300, othersMs: 20 }), 0)).toBeNull()
  })

  test('that is much slower than the others gets what two connections can do', () => {
    expect(adaptPace(null, seen({ meanMs: 2_000, othersMs: 20 }), 0)).toMatchObject({
      rate: 1,
      reason: 'slow',
      heldUntil: 0,
    })
  })

  test('is not slow where every domain is', () => {
    expect(adaptPace(null, seen({ meanMs: 2_000, othersMs: 1_900 }), 0)).toBeNull()
    expect(adaptPace(null, seen({ meanMs: 2_000, othersMs: Number.POSITIVE_INFINITY }), 0)).toBeNull()
  })

  test('whose provider refuses us is held, each time for twice as long, an hour at the most', () => {
    const blocked = seen({ accepted: 0, blocked: 3, reply: '421 4.7.0 Slow down' })
    let pace: Pace | null = null
    let now = 0
    const holds: number[] = []
    for (let round = 0; round < 8; round += 1) {
      pace = adaptPace(pace, blocked, now)!
      holds.push((pace.heldUntil - now) / minute)
      now = pace.heldUntil + 1
    }
    expect(holds).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
    expect(pace).toMatchObject({ rate: 1, reason: 'blocked', detail: '421 4.7.0 Slow down' })
  })

  test('is held for a minute again where it was refused an hour and more before', () => {
    const refused = seen({ accepted: 0, blocked: 3 })
    const once = adaptPace(null, refused, 0)!
    const soon = adaptPace(once, refused, once.heldUntil + 3_000_000)!
    const later = adaptPace(soon, refused, soon.heldUntil + 3_700_000)!
    expect([once, soon, later].map(({ holds }) => holds)).toEqual([1, 2, 1])
  })

  test('is held for longer also where it was slow in between', () => {
    const refused = seen({ accepted: 0, blocked: 3 })
    const once = adaptPace(null, refused, 0)!
    const slow = adaptPace(once, seen({ meanMs: 2_000, othersMs: 20 }), once.heldUntil + 1_000)!
    expect(slow.reason).toBe('slow')
    const again = adaptPace(slow, refused, once.heldUntil + 2_000)!
    expect([again.holds, again.heldUntil]).toEqual([2, once.heldUntil + 2_000 + 2 * minute])
  })

  test('is held for a minute again hours after the last time, however slow it was in between', () => {
    const refused = seen({ accepted: 0, blocked: 3 })
    let pace = adaptPace(null, refused, 0)!
    for (let now = 2 * minute; now < 300 * minute; now += minute)
      pace = adaptPace(pace, seen({ meanMs: 2_000, othersMs: 20 }), now)!
    expect(adaptPace(pace, refused, 300 * minute)).toMatchObject({ holds: 1, heldUntil: 301 * minute })
  })

  test('is not held for one reader among hundreds whom a policy of their mailbox refuses us', () => {
    expect(adaptPace(null, seen({ accepted: 400, blocked: 1 }), 0)).toBeNull()
    expect(adaptPace(null, seen({ accepted: 4, blocked: 1 }), 0)).toMatchObject({ reason: 'blocked' })
    expect(adaptPace(null, seen({ accepted: 400, blocked: 40 }), 0)).toMatchObject({ reason: 'blocked' })
  })

  test('is not held for longer by what was under way when the hold began', () => {
    const blocked = seen({ accepted: 0, blocked: 3 })
    const pace = adaptPace(null, blocked, 0)!
    expect(adaptPace(pace, blocked, 500)).toBe(pace)
  })

  test('that takes a letter already under way is held all the same', () => {
    const pace = adaptPace(null, seen({ accepted: 0, blocked: 3 }), 0)!
    expect(adaptPace(pace, seen({}), 30_000)).toBe(pace)
  })

  test('that behaves recovers slowly and then runs free', () => {
    let pace = adaptPace(null, seen({ accepted: 0, blocked: 1 }), 0)
    let now = minute
    let steps = 0
    while (pace !== null) {
      expect(adaptPace(pace, seen({}), pace.changedAt + 9_000)).toBe(pace)
      now += 10_000
      pace = adaptPace(pace, seen({}), now)
      steps += 1
    }
    expect(steps).toBe(Math.ceil(Math.log(freeRate) / Math.log(1.5)))
  })

  test('is named by its address, in lower case', () => expect(domainOf('Kari@Example.ORG')).toBe('example.org'))
})
