import { chunkLease, claimValidity } from '../../shared/delivery/delivery.ts'
import type { Chance } from './chance.ts'
import { passDay } from './digests.ts'
import type { House } from './house.ts'
import { wallClock } from './journal.ts'
import type { Part } from './part.ts'
import type { Published } from './publisher.ts'
import type { RedisMachine } from './redis-machine.ts'

/** What an act can reach. */
export type Stage = {
  readonly house: House
  readonly chance: Chance
  /** Publishes the next release; resolves when it has been answered 2xx. */
  publishNext(): Promise<void>
  /** Publishes a release that may not leave for so many milliseconds. */
  publishForLater(milliseconds: number): Promise<void>
  /** The release whose letters are leaving now, in its newest revision. */
  newest(): Published | undefined
  /** Tells that an operator has cancelled this mailing, and when they asked for it. */
  noteCancelled(mailing: string, asked: number): void
  /** Whether it is a run of many kills, in which something may take a minute. */
  readonly isLong: boolean
  /** Letters accepted so far. */
  letters(): number
  /** Says why an act was not played. */
  skip(why: string): void
  /** Tells that it was played, and met nothing of what it was aimed at. */
  noteInVain(): void
}

export const acts = {
  killWorker: async (stage: Stage) => {
    await untilLettersLeave(stage)
    const part = await aWorker(stage)
    // Its next life begins while other things happen.
    void part.end('SIGKILL')
  },

  /** What its queues ask first of all is whether their tables are there. */
  cutFirstLook: async (stage: Stage) => {
    const { house } = stage
    if (house.redis !== null) return stage.skip('the queues are in Redis')
    const part = await aWorker(stage)
    house.proxy.cutWhere('pg_advisory_xact_lock($1, hashtext($2))')
    await part.end('SIGKILL')
    await pause(2_000)
    house.proxy.cutWhere(null)
  },

  /** While it has no letter in hand yet, and nobody else has taken the mailing up. */
  killInFanOut: async (stage: Stage) => {
    const published = stage.publishNext()
    const part = await aWorker(stage)
    await published
    await pause(stage.chance.between(0, 200))
    void part.end('SIGKILL')
    if (!(await isBeingCut(stage))) stage.noteInVain()
  },

  /**
   * A process that stands still keeps believing in its claims. One that goes on after a moment still has its lease, and
   * readers have left in between; one that goes on after a long while does it when it hurts most, as another has just
   * taken over its chunks.
   */
  hangWorker: async (stage: Stage) => {
    const { chance, house } = stage
    await untilLettersLeave(stage)
    const part = await aWorker(stage)
    const held = await listHeld(house)
    const resume = part.freeze()
    try {
      if (chance.draw() < 0.5) {
        await pause(chance.between(claimValidity, lease - 1_000))
        return
      }
      await pause(lease)
      const deadline = performance.now() + 6_000
      while (performance.now() < deadline && !(await isTakenOver(house, held))) await pause(10)
      await pause(chance.between(0, 400))
    } finally {
      resume()
    }
  },

  rollWorkers: async ({ house }: Stage) => {
    for (const part of house.workers) await part.end('SIGTERM')
  },

  killApi: async ({ house, chance, publishNext }: Stage) => {
    const published = publishNext()
    await pause(chance.between(0, 40))
    await house.api.end('SIGKILL')
    await published
  },

  /** So near that the hour comes while other things happen. */
  publishUnderEmbargo: (stage: Stage) => stage.publishForLater(stage.chance.between(5_000, 15_000)),

  passDay: async ({ house, noteInVain }: Stage) => {
    if (!(await passDay(house.pool).catch(() => false))) noteInVain()
  },

  /** Whoever pauses is promised that nothing more begins within a second; whoever resumes, that all the rest goes on. */
  pauseMailing: async (stage: Stage) => {
    const { chance, house } = stage
    const { mailing } = await stopNewest(stage, 'pause')
    await pause(chance.between(500, 4_000))
    house.sink.noteResumed(mailing)
    await house.operator.act('resume', mailing)
  },
  cancelMailing: async (stage: Stage) => {
    const { mailing, asked } = await stopNewest(stage, 'cancel')
    stage.noteCancelled(mailing, asked)
  },

  flushRedis: (stage: Stage) => onRedis(stage, (redis) => redis.flush()),
  loseRedis: (stage: Stage) => onRedis(stage, (redis) => redis.lose(stage.chance.between(500, 4_000))),
  hangRedis: (stage: Stage) => onRedis(stage, (redis) => redis.hang(stage.chance.between(1_000, 5_000))),

  /** What the mail host has taken by then is written down nowhere but in the journal of a process that is gone. */
  killWhileAway: async (stage: Stage) => {
    await untilLettersLeave(stage)
    const part = await aWorker(stage)
    const back = whileRestarted(stage, 'fast', stage.chance.between(2_000, 4_000))
    await pause(stage.chance.between(200, 1_500))
    void part.end('SIGKILL')
    await back
  },
  restartPostgres: (stage: Stage) => whileRestarted(stage, 'fast', stage.chance.between(0, 1_500)),
  crashPostgres: (stage: Stage) => whileRestarted(stage, 'crash', stage.chance.between(0, 1_500)),
  losePostgres: (stage: Stage) => whileRestarted(stage, 'fast', 12_000),
  hangPostgres: async (stage: Stage) => {
    await during(stage, 'postgres', ({ postgres }) => postgres.hang(stage.chance.between(1_000, 5_000)))
  },
  /** For longer than a lease lasts, and than anybody waits for the answer to a statement. */
  hangPostgresLong: async (stage: Stage) => {
    await during(stage, 'postgres', ({ postgres }) => postgres.hang(45_000))
  },
  cutPostgres: async ({ house, chance }: Stage) => {
    house.proxy.cut({ cut: 'database', share: chance.between(0.3, 1), seed: chance.between(0, 2 ** 31) })
  },
  silencePostgres: (stage: Stage) => fallSilent(stage, 'database'),
  cutRedis: (stage: Stage) =>
    onRedis(stage, async () => {
      const { house, chance } = stage
      house.proxy.cut({ cut: 'redis', share: chance.between(0.3, 1), seed: chance.between(0, 2 ** 31) })
    }),
  silenceRedis: async (stage: Stage) => {
    if (stage.house.redis === null) return stage.skip(noRedis)
    await fallSilent(stage, 'redis')
  },
  cutMailHost: async ({ house, chance }: Stage) => {
    house.proxy.cut({ cut: 'mail-host', share: chance.between(0.1, 0.6), seed: chance.between(0, 2 ** 31) })
  },
  loseMailHost: async (stage: Stage) => {
    const longest = stage.isLong ? 60_000 : 20_000
    await during(stage, 'mail-host', async ({ proxy }) => {
      proxy.takeMailHost(true)
      await pause(stage.chance.between(20_000, longest))
      proxy.takeMailHost(false)
    })
  },

  fillDisk: async (stage: Stage) => {
    const { disk, postgres } = stage.house
    if (disk === null) return stage.skip('no small disk could be mounted: that takes root, and leave to mount')
    await during(stage, 'disk', async () => {
      disk.fill()
      await pause(stage.chance.between(2_000, 5_000))
      disk.free()
      // A server that gave up over it is started again, as its supervisor would.
      await postgres.revive()
    })
  },

  /** Some seconds later it is set right again, which is a jump the other way. */
  jumpClock: async ({ house, chance }: Stage) => {
    const clock = chance.pick(house.clocks)
    clock.moveTo(chance.pick([-3_600_000, -600_000, 600_000]))
    await pause(chance.between(1_000, 8_000))
    clock.moveTo(0)
  },
}

/** The chunks of a process that stands still can be taken over once `chunkLease` is past. */
const lease = chunkLease * 1_000

/** What befalls a process before it has anything in hand proves nothing, and a slow machine would see nothing else. */
async function untilLettersLeave(stage: Stage): Promise<void> {
  const letters = stage.letters()
  const deadline = performance.now() + 12_000
  while (stage.letters() < letters + 20) {
    if (performance.now() > deadline) return stage.noteInVain()
    await pause(20)
  }
}

/** Whether the letters of the newest release are being prepared or its audience cut; where PostgreSQL does not answer, they are not. */
async function isBeingCut({ house, newest }: Stage): Promise<boolean> {
  const { rowCount } = await house.pool
    .query(`select from mailings where id = $1 and state in ('accepted', 'cutting')`, [newest()?.mailings[0]])
    .catch(() => ({ rowCount: 0 }))
  return rowCount === 1
}

async function aWorker({ house, chance }: Stage): Promise<Part> {
  for (;;) {
    const up = house.workers.filter((part) => part.isUp())
    if (up.length > 0) return chance.pick(up)
    await pause(20)
  }
}

/** Pauses or cancels the mailing that is under way, and waits until nothing of it may begin. It may end, or be replaced, before. */
async function stopNewest(stage: Stage, how: 'pause' | 'cancel'): Promise<{ mailing: string; asked: number }> {
  const { house } = stage
  for (;;) {
    await untilLettersLeave(stage)
    const mailing = stage.newest()!.mailings[0]!
    const asked = wallClock()
    if (!(await house.operator.act(how, mailing))) continue
    await pause(1_000)
    house.sink.noteStopped(mailing)
    return { mailing, asked }
  }
}

/** What is in hand still leaves, within a claim's time; the clock of recovery runs from then. */
async function fallSilent(stage: Stage, way: 'database' | 'redis'): Promise<void> {
  await untilLettersLeave(stage)
  await during(stage, 'connections', async ({ proxy }) => {
    proxy.silence(way)
    await pause(2 * claimValidity)
  })
  // Nobody takes it for the next fault's.
  await pause(12_000)
}

const noRedis = 'the queues are in PostgreSQL'

async function onRedis(stage: Stage, act: (redis: RedisMachine) => Promise<void>): Promise<void> {
  const { redis } = stage.house
  if (redis === null) return stage.skip(noRedis)
  await during(stage, 'redis', () => act(redis))
}

/** Does something that takes a part away, and writes down for how long. */
async function during(
  { house }: Stage,
  part: string,
  act: (house: House) => Promise<void>,
  restarted = false,
): Promise<void> {
  const from = wallClock()
  await act(house)
  house.outages.push({ part, from, to: wallClock(), restarted })
}

const whileRestarted = (stage: Stage, how: 'fast' | 'crash', away: number) =>
  during(stage, 'postgres', ({ postgres }) => postgres.restart(how, away), true)

type Lease = { readonly chunk: string; readonly fence: number; readonly until: number }

/** Chunks in somebody's hands, and how often they have been: only for aiming, nothing is judged by it. */
async function listHeld({ pool }: House): Promise<Lease[]> {
  const { rows } = await pool.query<Lease>(
    `select mailing_id || '-' || n as chunk, fence::float8 as fence, extract(epoch from lease_until)::float8 * 1000 as until
       from chunks where state <> 'done' and lease_until is not null`,
  )
  return rows
}

/** Whether a chunk whose lease had not been renewed since is in new hands. */
async function isTakenOver(house: House, before: readonly Lease[]): Promise<boolean> {
  const held = new Map((await listHeld(house)).map((lease) => [lease.chunk, lease]))
  return before.some(({ chunk, fence, until }) => {
    const now = held.get(chunk)
    return now !== undefined && now.fence > fence && now.until > until + lease
  })
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
