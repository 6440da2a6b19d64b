import { expect, test } from 'vitest'
import { openUnbrokenAnswers } from '../../workers/mailer/unbroken-answers.ts'

const noon = Date.parse('2026-05-04T12:00:00Z')

/** What may be taken over after answers with the database's clock at these seconds past noon, asked for one after another. */
function heardAfter(...seconds: readonly number[]): number | null {
  const answers = openUnbrokenAnswers()
  for (const [n, second] of seconds.entries()) answers.tell(n, noon + second * 1000)
  const heard = answers.heardUntil()
  return heard === null ? null : (heard - noon) / 1000
}

test('who has heard the database for three renewals on end knows which leases were abandoned', () => {
  expect(heardAfter()).toBeNull()
  expect(heardAfter(0)).toBeNull()
  expect(heardAfter(0, 2, 4)).toBeNull()
  // The first answer of a process takes longer than the others.
  expect(heardAfter(0.2, 2, 4, 6)).toBe(6)
  expect(heardAfter(0, 2, 4, 6, 8)).toBe(8)
})

test('one answer that fails is no break, and more are: then everybody has that long again', () => {
  expect(heardAfter(0, 2, 6.1, 8.1)).toBe(8.1)
  expect(heardAfter(0, 2, 4, 6, 12)).toBeNull()
  expect(heardAfter(0, 2, 4, 6, 15, 17, 19)).toBeNull()
  expect(heardAfter(0, 2, 4, 6, 15, 17, 19, 21)).toBe(21)
})

test('a clock that is set, as by a standby that takes over, is a break, whichever way', () => {
  expect(heardAfter(0, 2, 4, 6, 66)).toBeNull()
  expect(heardAfter(60, 62, 64, 66, 64)).toBeNull()
  expect(heardAfter(60, 62, 64, 66, 8, 10, 12, 14)).toBe(14)
})

test('an answer overtaken by that to a later question changes nothing', () => {
  const answers = openUnbrokenAnswers()
  for (const second of [0, 2, 4, 6]) answers.tell(second, noon + second * 1000)
  answers.tell(3, noon + 1000)
  expect(answers.heardUntil()).toBe(noon + 6000)
  answers.tell(8, noon + 8000)
  expect(answers.heardUntil()).toBe(noon + 8000)
})
