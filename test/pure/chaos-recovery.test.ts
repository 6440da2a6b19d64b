import { expect, test } from 'vitest'
import { type Outage, worstRecovery } from '../chaos/recovery.ts'

type Given = Parameters<typeof worstRecovery>

const release = { title: 'A', accepted: { answered: 0 } } as unknown as Given[1][number]
/** Letters that began at these seconds, and were taken. */
const taken = (...seconds: number[]) =>
  ({ acceptances: seconds.map((at) => ({ title: 'A', begunAt: at * 1000 })) }) as unknown as Given[2]
const away = (part: string, from: number, to: number): Outage => ({ part, from: from * 1000, to: to * 1000 })
const worst = (outages: readonly Outage[], ...seconds: number[]) => worstRecovery(outages, [release], taken(...seconds))

test('recovery is the time from a part being back to the next letter', () => {
  expect(worst([away('redis', 1, 4), away('postgres', 10, 12)], 3, 6, 13)).toEqual({ seconds: 2, part: 'redis' })
})

test('while something all depend on is away anew, it stands; while one process of several is, it runs', () => {
  const lost = away('postgres', 1, 4)
  expect(worst([lost, away('redis', 6, 11), away('disk', 8, 12)], 13)).toEqual({ seconds: 3, part: 'postgres' })
  expect(worst([lost, away('workers-1', 6, 12)], 13)).toEqual({ seconds: 9, part: 'postgres' })
})

test('where letters in hand still leave after it, recovery is the time from the last of them', () => {
  expect(worst([away('redis', 1, 4)], 4.1, 4.5, 29.5)).toEqual({ seconds: 25, part: '' })
})

test('a letter that came before, or that nobody was owed then, is no sign of recovery', () => {
  const ahead = { title: 'A', accepted: { answered: 20_000 } } as unknown as Given[1][number]
  expect(worstRecovery([away('redis', 1, 4)], [ahead], taken(30, 31))).toMatchObject({ seconds: 10 })
})

test('the last few of a mailing, which a mail host put off, are no measure of it', () => {
  const hundred = Array.from({ length: 99 }, (_, index) => 1 + index / 100)
  expect(worst([away('workers-1', 2, 3)], ...hundred, 40)).toEqual({ seconds: 1, part: '' })
  const half = hundred.map((at, index) => (index < 50 ? at : at + 30))
  expect(worst([away('workers-1', 1, 2)], ...half, 40)).toEqual({ seconds: 29.5, part: 'workers-1' })
})

test('letters of what was accepted after it came back are no sign that the rest is taken up', () => {
  const newer = { title: 'B', accepted: { answered: 5_000 } } as unknown as Given[1][number]
  const letters = (title: string, ...seconds: number[]) => seconds.map((at) => ({ title, begunAt: at * 1000 }))
  const tally = { acceptances: [...letters('A', 1, 29, 30), ...letters('B', 6, 12, 18, 24)] } as unknown as Given[2]
  expect(worstRecovery([away('redis', 1, 4)], [release, newer], tally)).toEqual({ seconds: 25, part: 'redis' })
})
