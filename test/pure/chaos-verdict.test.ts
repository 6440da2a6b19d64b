import { expect, test } from 'vitest'
import type { ChaosResult } from '../chaos/run.ts'
import { listVain, redCounters } from '../chaos/verdict.ts'

const calm = { played: { 'worker-kill': 20, 'fan-out-kill': 2, digest: 8 }, inVain: {}, owed: 300, accepted: 200 }

test('a run is red where an act met nothing however often it was played, and where nobody was owed a letter', () => {
  expect(listVain(calm)).toEqual([])
  // Once or twice may be chance, and so may all but one.
  expect(listVain({ ...calm, inVain: { 'fan-out-kill': 2, 'worker-kill': 19 } })).toEqual([])
  expect(listVain({ ...calm, inVain: { 'worker-kill': 20, digest: 8 } })).toEqual(['worker-kill', 'digest'])
  expect(listVain({ ...calm, accepted: 0 })).toEqual(['letters'])
  expect(listVain({ ...calm, owed: 0 })).toEqual(['letters'])
  const result = { mayDoubt: true, recoverySeconds: 0, takeoverSeconds: 0 } as ChaosResult
  expect([redCounters(result), redCounters({ ...result, vain: 1 })]).toEqual([[], ['vain']])
})
