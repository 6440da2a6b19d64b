import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, test } from 'vitest'
import { lastDigestDay } from '../../shared/digest/digest-day.ts'

const newsroom = (zone: string, digestHour: number, digestWeekday = 1) => ({ zone, digestHour, digestWeekday })

/** The days whose hour comes between two instants, as a clock looked at every ten minutes finds them. */
function daysBetween(of: ReturnType<typeof newsroom>, frequency: 'daily' | 'weekly', from: string, upto: string) {
  const found = new Map<string, Set<string>>()
  for (let at = Date.parse(from); at < Date.parse(upto); at += 600_000) {
    const { day, at: hour } = lastDigestDay(of, frequency, new Date(at))
    found.set(day, (found.get(day) ?? new Set()).add(hour.toISOString()))
  }
  // The first was due before the clock was looked at.
  return [...found].slice(1).map(([day, hours]) => [day, [...hours].join(' and ')])
}

test('a time zone that this Node.js does not know is said to be, and not looked for day after day', () => {
  for (const frequency of ['daily', 'weekly'] as const)
    expect(() => lastDigestDay(newsroom('Europe/Atlantis', 8), frequency, new Date())).toThrow(
      'the time zone Europe/Atlantis is not known to this Node.js',
    )
})

describe('a daily digest leaves once a day, by the newsroom’s own clock', () => {
  test.each([
    [
      'Oslo, an hour that the clock springs over: the hour after it',
      ...['Europe/Oslo', 2, '2026-03-27T12:00Z', '2026-03-30T12:00Z'],
      [
        ['2026-03-28', '2026-03-28T01:00:00.000Z'],
        ['2026-03-29', '2026-03-29T01:00:00.000Z'],
        ['2026-03-30', '2026-03-30T00:00:00.000Z'],
      ],
    ],
    [
      'Oslo, an hour that comes twice: the first of the two',
      ...['Europe/Oslo', 2, '2026-10-23T12:00Z', '2026-10-26T12:00Z'],
      [
        ['2026-10-24', '2026-10-24T00:00:00.000Z'],
        ['2026-10-25', '2026-10-25T00:00:00.000Z'],
        ['2026-10-26', '2026-10-26T01:00:00.000Z'],
      ],
    ],
    [
      'Oslo, an ordinary hour over both changes',
      ...['Europe/Oslo', 8, '2026-03-28T12:00Z', '2026-03-30T12:00Z'],
      [
        ['2026-03-29', '2026-03-29T06:00:00.000Z'],
        ['2026-03-30', '2026-03-30T06:00:00.000Z'],
      ],
    ],
    [
      'Santiago, whose clock springs over midnight itself',
      ...['America/Santiago', 0, '2026-09-05T12:00Z', '2026-09-07T12:00Z'],
      [
        ['2026-09-06', '2026-09-06T04:00:00.000Z'],
        ['2026-09-07', '2026-09-07T03:00:00.000Z'],
      ],
    ],
    [
      'Santiago, where the last hour of the day comes twice',
      ...['America/Santiago', 23, '2026-04-04T12:00Z', '2026-04-06T12:00Z'],
      [
        ['2026-04-04', '2026-04-05T02:00:00.000Z'],
        ['2026-04-05', '2026-04-06T03:00:00.000Z'],
      ],
    ],
    [
      'Auckland, spring in September',
      ...['Pacific/Auckland', 2, '2026-09-25T20:00Z', '2026-09-28T00:00Z'],
      [
        ['2026-09-27', '2026-09-26T14:00:00.000Z'],
        ['2026-09-28', '2026-09-27T13:00:00.000Z'],
      ],
    ],
    [
      'Auckland, autumn in April',
      ...['Pacific/Auckland', 2, '2026-04-03T20:00Z', '2026-04-06T00:00Z'],
      [
        ['2026-04-05', '2026-04-04T13:00:00.000Z'],
        ['2026-04-06', '2026-04-05T14:00:00.000Z'],
      ],
    ],
    [
      'Lord Howe Island, whose clock changes by half an hour',
      ...['Australia/Lord_Howe', 2, '2026-10-02T18:00Z', '2026-10-05T00:00Z'],
      [
        ['2026-10-04', '2026-10-03T15:30:00.000Z'],
        ['2026-10-05', '2026-10-04T15:00:00.000Z'],
      ],
    ],
  ] as [string, string, number, string, string, string[][]][])('%s', (_name, zone, hour, from, upto, days) => {
    expect(daysBetween(newsroom(zone, hour), 'daily', from, upto)).toEqual(days)
  })

  test('for a whole year, in any zone, at any hour', () => {
    const zones = ['Europe/Oslo', 'America/Santiago', 'Pacific/Auckland', 'Australia/Lord_Howe', 'Africa/Casablanca']
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.nat(23), (zone, hour) => {
        let day = DateTime.fromISO('2026-01-01', { zone })
        let last = lastDigestDay(newsroom(zone, hour), 'daily', day.minus({ days: 1 }).toJSDate())
        for (let n = 0; n < 365; n += 1) {
          day = day.plus({ days: 1 }).endOf('day')
          const now = lastDigestDay(newsroom(zone, hour), 'daily', day.toJSDate())
          expect(now.day, zone).toBe(day.toISODate())
          expect(now.at.getTime()).toBeGreaterThan(last.at.getTime())
          expect(DateTime.fromJSDate(now.at, { zone }).toISODate()).toBe(now.day)
          last = now
        }
      }),
      { numRuns: 12 },
    )
  })
})

test('a weekly digest leaves on the newsroom’s day, over a change of the clock too', () => {
  expect(daysBetween(newsroom('Europe/Oslo', 2, 7), 'weekly', '2026-03-20T12:00Z', '2026-04-06T12:00Z')).toEqual([
    ['2026-03-22', '2026-03-22T01:00:00.000Z'],
    ['2026-03-29', '2026-03-29T01:00:00.000Z'],
    ['2026-04-05', '2026-04-05T00:00:00.000Z'],
  ])
})
