import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { HeldChunk } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openDomainWatch } from '../../workers/mailer/domain-watch.ts'
import { noJournals } from '../../workers/mailer/hand-over-journal.ts'
import { openHeartbeat } from '../../workers/mailer/heartbeat.ts'
import { openHeldLeases } from '../../workers/mailer/held-leases.ts'
import { recordOutcomes } from '../../workers/mailer/record-outcomes.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { openTimetable } from '../../workers/scheduler/timetable.ts'
import { until } from '../rig/until.ts'

type Line = { msg: string; heldBack?: number; chore?: string; tries?: number }

function recordedLog(): { log: Log; lines: Line[] } {
  const lines: Line[] = []
  return { log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line) as Line) }), lines }
}

const clock = performance.now.bind(performance)
let later = 0
beforeEach(() => {
  later = 0
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + later)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A database that is away `times` times, and counts who asked. */
function awayPool(times = Number.POSITIVE_INFINITY) {
  const asked = { times: 0 }
  const ask = async () => {
    asked.times += 1
    if (asked.times <= times) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    return { rows: [], rowCount: 0 }
  }
  return { asked, pool: { query: ask, connect: ask } as unknown as Pool }
}

describe('what says the same again while it lasts', () => {
  test('is told at once, then once in ten seconds, with how many were held back', () => {
    const { log, lines } = recordedLog()
    for (let n = 0; n < 5; n += 1) warnSeldom(log, { n }, 'could not')
    later = 9_900
    warnSeldom(log, { n: 5 }, 'could not')
    expect(lines).toEqual([expect.objectContaining({ n: 0, msg: 'could not' })])
    expect(lines[0]).not.toHaveProperty('heldBack')
    later = 10_000
    warnSeldom(log, { n: 6 }, 'could not')
    later = 20_000
    warnSeldom(log, { n: 7 }, 'could not')
    expect(lines.slice(1).map(({ heldBack }) => heldBack)).toEqual([5, undefined])
  })

  test('keeps no other trouble from being told: not another sentence, nor the same of another, nor of another log', () => {
    const [one, other] = [recordedLog(), recordedLog()]
    for (let n = 0; n < 2; n += 1) {
      warnSeldom(one.log, {}, 'could not')
      warnSeldom(one.log, {}, 'could not', 'forget')
      warnSeldom(one.log, {}, 'would not')
      warnSeldom(other.log, {}, 'could not')
    }
    expect(one.lines.map(({ msg }) => msg)).toEqual(['could not', 'could not', 'would not'])
    expect(other.lines).toHaveLength(1)
  })
})

/** What a workers process tells PostgreSQL every few seconds, unasked. */
const openTellers = (pool: Pool, log: Log) => ({
  watch: openDomainWatch({ pool, log, now: () => new Date(), connections: 4 }),
  heartbeat: openHeartbeat({
    pool,
    log,
    circuit: openRelayCircuit(log),
    watch: { waitsFor: () => 0 },
    journals: noJournals,
  }),
})

describe('while PostgreSQL is away', () => {
  const chunk = (n: number): HeldChunk => ({ mailingId: '1' as HeldChunk['mailingId'], n, fence: '1' })

  test('outcomes of many chunks are offered again and again, and told in one line', async () => {
    const { log, lines } = recordedLog()
    const { pool, asked } = awayPool(12)
    await Promise.all(Array.from({ length: 6 }, (_, n) => recordOutcomes({ pool, log }, chunk(n), [], null)))
    expect(asked.times).toBe(18)
    expect(lines.map(({ msg }) => msg)).toEqual(['could not record; trying again'])
  })

  test('a chore is told once, and so is another', async () => {
    const { log, lines } = recordedLog()
    const { pool, asked } = awayPool()
    const chore = (name: string) => ({ name, every: 0.001, act: async () => undefined })
    const timetable = openTimetable({ pool, log }, [chore('reconcile'), chore('forget')])
    await until('each had some turns', () => asked.times >= 12)
    await timetable.close()
    expect(lines.map(({ chore }) => chore)).toEqual(['reconcile', 'forget'])
  })

  test('leases, paces and heartbeats are asked for all the time, and told once in ten seconds each', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { log, lines } = recordedLog()
    const { pool } = awayPool()
    const leases = openHeldLeases(pool, log)
    const { watch, heartbeat } = openTellers(pool, log)
    leases.hold(chunk(0), performance.now())
    const aMinute = 60
    for (let second = 0; second < aMinute; second += 1) {
      later += 1_000
      await vi.advanceTimersByTimeAsync(1_000)
    }
    const told = new Map<string, number>()
    for (const { msg } of lines) told.set(msg, (told.get(msg) ?? 0) + 1)
    expect([...told.keys()].sort()).toEqual([
      'could not keep the paces',
      'could not renew leases',
      'could not tell that this process lives',
    ])
    for (const [sentence, times] of told) expect([sentence, times <= 7 && times >= 5]).toEqual([sentence, true])
    leases.close()
    await watch.close()
    await heartbeat.close()
  })

  test('while it hangs, paces and heartbeats ask once and stand in no line, and the end of the process waits for neither', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { log } = recordedLog()
    let asked = 0
    const ask = () => {
      asked += 1
      return new Promise(() => {})
    }
    const pool = { query: ask } as unknown as Pool
    const { watch, heartbeat } = openTellers(pool, log)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked).toBe(2)
    await Promise.all([watch.close(), heartbeat.close()])
    expect(asked).toBe(2)
  })
})
