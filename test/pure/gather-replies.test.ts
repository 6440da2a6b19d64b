import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { gatherReplies, isWorthARest } from '../../shared/transport/gather-replies.ts'

test('a process rests where a fast host has enough to do meanwhile', () => {
  expect(isWorthARest({ answered: 1, underWay: 20, since: 0.1 })).toBe(true)
  expect(isWorthARest({ answered: 4, underWay: 20, since: 0.5 })).toBe(true)
})

test.each([
  ['one connection would have the host wait for its next letter', { answered: 1, underWay: 1, since: 0.1 }],
  ['the last letters of a window are soon answered', { answered: 1, underWay: 4, since: 0.1 }],
  ['many replies have come together as it is', { answered: 5, underWay: 20, since: 0.1 }],
  ['a host far away answers a letter every millisecond', { answered: 1, underWay: 20, since: 1 }],
  ['one that has answered several at once is slow all the same', { answered: 4, underWay: 20, since: 4 }],
])('it does not rest where %s', (_, seen) => {
  expect(isWorthARest(seen)).toBe(false)
})

test('the rest comes when the replies of a turn are read, once for all of them', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(1_000)
  const wait = vi.spyOn(Atomics, 'wait')
  onTestFinished(() => void vi.restoreAllMocks())
  const note = gatherReplies(() => 20)
  note()
  await nextTurn()
  expect(wait, 'nothing is known yet of how fast the host is').not.toHaveBeenCalled()
  now.mockReturnValue(1_000.2)
  note()
  note()
  expect(wait, 'others of this turn have yet to be read').not.toHaveBeenCalled()
  await nextTurn()
  expect(wait).toHaveBeenCalledTimes(1)
  expect(wait).toHaveBeenCalledWith(expect.anything(), 0, 0, 0.3)
  expect(wait).toHaveReturnedWith('timed-out')
  now.mockReturnValue(1_000.5)
  note()
  await nextTurn()
  expect(wait, 'a rest that brought one reply is not worth another').toHaveBeenCalledTimes(1)
})
