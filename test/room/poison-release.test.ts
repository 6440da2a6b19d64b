import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { cancelMailing, insertMailing, setPaused, supersedeMailings } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { findMailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import { beginTry, tryAgain } from '../../shared/mailing/tries.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { addRevision } from '../../shared/release/release.sql.ts'
import type { Release } from '../../shared/release/release.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { openSlowTries } from '../../workers/fan-out/try-once.ts'
import { reconcile } from '../../workers/scheduler/reconcile.ts'
import { givenDigestReaders, noonsFrom } from '../given/digests.ts'
import { givenMailing, sampleRelease } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { asForm, here, openDesk } from '../rig/ops-desk.ts'
import { descendantsOf } from '../rig/process-usage.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let other: Newsroom

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url)
  newsroom = await givenNewsroom(database.pool)
  other = await givenNewsroom(database.pool)
  await givenReaders(database.pool, newsroom, ['ada@readers.example', 'bo@readers.example'])
  await givenReaders(database.pool, other, ['cato@readers.example'])
  return async () => {
    vi.useRealTimers()
    await engine.close()
    await inbox.close()
  }
})

/** Letters that have come since this was last asked, by reader. */
function reached(): string[] {
  const names = inbox.received.map(({ to }) => to.split('@')[0]!).sort()
  inbox.received.length = 0
  return names
}

/** A release of which no letter can be made: what its letter is to say of contacts is not there. */
async function givenPoison(of = newsroom): Promise<{ release: Release; mailingId: MailingId }> {
  const given = await givenMailing(database.pool, of)
  await database.pool.query(`update revisions set content = content - 'contacts' where release_id = $1`, [
    given.release.id,
  ])
  return given
}

const mend = (release: Release) =>
  database.pool.query(`update revisions set content = content || '{"contacts":[]}' where release_id = $1`, [release.id])

const standing = async (id: MailingId) => {
  const { state, trouble } = (await findMailingProgress(database.pool, id))!
  return { state, tries: trouble?.tries ?? 0, reason: trouble?.reason ?? null }
}

/** Moves a mailing's hours back, as if so many seconds had passed. */
const pass = (id: MailingId, seconds: number) =>
  database.pool.query(
    `update mailings
        set next_try_at = next_try_at - $2 * interval '1 second', try_until = try_until - $2 * interval '1 second',
            trouble_since = trouble_since - $2 * interval '1 second', tried_at = tried_at - $2 * interval '1 second'
      where id = $1`,
    [id, seconds],
  )

/** Seconds, to the nearest, from the last try to the next one. */
async function waitOf(id: MailingId): Promise<number | null> {
  const { rows } = await database.pool.query<{ wait: number | null }>(
    `select round(extract(epoch from next_try_at - tried_at))::float8 as wait from mailings where id = $1`,
    [id],
  )
  return rows[0]!.wait
}

const wokenBy = async (round: () => Promise<void>) => {
  engine.woken.length = 0
  await round()
  return engine.woken.splice(0).map(({ payload }) => ('mailingId' in payload ? payload.mailingId : ''))
}
const reconcileOnly = () =>
  reconcile({ pool: database.pool, wake: engine.fanOut.wake, now: () => new Date(), heardUntil: async () => null })

describe('a release of which no letter can be made', () => {
  test('holds up nobody, comes back at growing distances, and is given up with its reason', async () => {
    const { mailingId } = await givenPoison()
    await givenMailing(database.pool, other)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['cato'])
    const why = "Cannot read properties of undefined (reading 'map')"
    expect(await standing(mailingId)).toEqual({ state: 'accepted', tries: 1, reason: why })

    // The reconciler's rounds pass it by until its wait is over; so does a wake-up given twice.
    expect(await wokenBy(reconcileOnly)).toEqual([])
    await engine.send(mailingId)
    expect((await standing(mailingId)).tries).toBe(1)

    const waits: (number | null)[] = [await waitOf(mailingId)]
    for (let tries = 2; tries <= 5; tries += 1) {
      await pass(mailingId, waits.at(-1)!)
      await engine.reconcileAndSend()
      expect((await standing(mailingId)).tries).toBe(tries)
      waits.push(await waitOf(mailingId))
    }
    expect(waits).toEqual([5, 15, 45, 135, null])
    expect(await standing(mailingId)).toEqual({ state: 'failed', tries: 5, reason: why })

    await pass(mailingId, 86_400)
    expect(await wokenBy(reconcileOnly)).toEqual([])
    await engine.send(mailingId)
    expect((await standing(mailingId)).tries).toBe(5)
    expect(reached()).toEqual([])
  })

  test('and that is paused for longer than tries go on has all of them when it is resumed', async () => {
    const { mailingId } = await givenPoison()
    await engine.send(mailingId)
    await setPaused(database.pool, mailingId, true)
    await pass(mailingId, 10 * 86_400)
    await setPaused(database.pool, mailingId, false)
    await engine.reconcileAndSend()
    expect(await standing(mailingId)).toMatchObject({ state: 'accepted', tries: 2 })
  })

  test('goes to every reader once when it is mended and set going again, after it was given up and before', async () => {
    const { mailingId, release } = await givenPoison()
    await engine.send(mailingId)
    expect(await tryAgain(database.pool, mailingId)).toBe(true)
    await engine.send(mailingId)
    // Begun anew: counted from one.
    expect(await standing(mailingId)).toMatchObject({ state: 'accepted', tries: 1 })
    await giveUp(mailingId)
    await mend(release)
    await engine.reconcileAndSend()
    expect(reached()).toEqual([])
    expect(await tryAgain(database.pool, mailingId)).toBe(true)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
    expect(await standing(mailingId)).toEqual({ state: 'done', tries: 0, reason: null })
    expect(await tryAgain(database.pool, mailingId)).toBe(false)
  })

  test('that is mended while it still tries goes out by itself', async () => {
    const { mailingId, release } = await givenPoison()
    await engine.send(mailingId)
    await mend(release)
    await pass(mailingId, 5)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
    expect(await standing(mailingId)).toEqual({ state: 'done', tries: 0, reason: null })
  })

  test('and that was given up is replaced by a correction, which is tried afresh', async () => {
    const { mailingId, release } = await givenPoison()
    await engine.send(mailingId)
    await giveUp(mailingId)
    const { begun } = await supersedeMailings(database.pool, release.id)
    expect(begun).toBe(false)
    await addRevision(database.pool, { ...release, revision: 2 }, new Date())
    const draft = {
      newsroomId: newsroom.id,
      kind: 'release',
      releaseId: release.id,
      revision: 2,
      dueAt: 'now',
    } as const
    const corrected = await insertMailing(database.pool, draft)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
    expect(await standing(mailingId)).toEqual({ state: 'superseded', tries: 0, reason: null })
    expect((await standing(corrected.id)).state).toBe('done')
    expect(await tryAgain(database.pool, mailingId)).toBe(false)
  })

  test('can be paused and cancelled like any other', async () => {
    const { mailingId } = await givenPoison()
    await engine.send(mailingId)
    await setPaused(database.pool, mailingId, true)
    await pass(mailingId, 60)
    expect(await wokenBy(reconcileOnly)).toEqual([])
    await setPaused(database.pool, mailingId, false)
    expect(await wokenBy(reconcileOnly)).toEqual([mailingId])
    await giveUp(mailingId)
    expect(await cancelMailing(database.pool, mailingId)).toBe(true)
    expect(await standing(mailingId)).toEqual({ state: 'cancelled', tries: 0, reason: null })
  })

  test('takes the digest it is in along, and no other: set going again, each reader is told it once', async () => {
    await givenDigestReaders(database.pool, newsroom, { dora: 'daily' })
    const nextNoon = noonsFrom(new Date())
    const { release, mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    expect(reached()).toEqual(['ada', 'bo'])
    // Of a digest it takes the title and the lead.
    const setLead = (lead: unknown) =>
      database.pool.query(
        `update revisions set content = jsonb_set(content, '{languages,nb,lead}', $2) where release_id = $1`,
        [release.id, JSON.stringify(lead)],
      )
    await setLead(7)
    await engine.cutDigestsAndSend(nextNoon())
    const { rows } = await database.pool.query<{ id: MailingId }>(`select id from mailings where kind = 'digest'`)
    const digest = rows[0]!.id
    expect(await standing(digest)).toMatchObject({ state: 'accepted', tries: 1 })
    await giveUp(digest)
    // Its deliveries are written already, and nobody works on them.
    expect(await wokenBy(reconcileOnly)).toEqual([])

    // The next digest tells of the next release alone; so does the one after, although this one comes onto the line once
    // more: paused over a digest's hour, and resumed.
    await engine.send((await givenMailing(database.pool, newsroom)).mailingId)
    await engine.cutDigestsAndSend(nextNoon())
    expect(reached()).toEqual(['ada', 'bo', 'dora'])
    const pausing = (paused: boolean) =>
      database.pool.query(`update mailings set state = 'sending', paused = $2 where id = $1`, [mailingId, paused])
    await pausing(true)
    await engine.cutDigestsAndSend(nextNoon())
    await pausing(false)
    await engine.cutDigestsAndSend(nextNoon())
    expect(await digestsMade()).toBe(2)
    expect(reached()).toEqual([])

    await setLead('Snart.')
    expect(await tryAgain(database.pool, digest)).toBe(true)
    await engine.cutDigestsAndSend(nextNoon())
    expect(reached()).toEqual(['dora'])
    expect(await digestsMade()).toBe(2)
  })
})

const digestsMade = async () => (await database.pool.query(`select from mailings where kind = 'digest'`)).rowCount

describe('a fault of our own machine', () => {
  test('is not the mailing’s: it is tried for as long as a letter is, and no longer', async () => {
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const broken = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })
    const away = { ...engine.fanOut, pool: withoutRenderings(database.pool, broken) }
    for (let tries = 1; tries <= 7; tries += 1) {
      await cutAudience(away, mailingId)
      expect(await standing(mailingId)).toEqual({ state: 'accepted', tries, reason: broken.message })
      // Back again, PostgreSQL tells nobody: a release must not rest for ten minutes then.
      expect(await waitOf(mailingId)).toBe(tries <= 3 ? 0 : tries === 4 ? 5 : 15)
      await pass(mailingId, 600)
    }
    await pass(mailingId, 172_800)
    await cutAudience(away, mailingId)
    expect(await standing(mailingId)).toMatchObject({ state: 'failed', tries: 8 })
  })

  test('as workers that end in the middle, one after another: an hour is kept all the same, and then it rests', async () => {
    const { mailingId } = await givenMailing(database.pool, newsroom)
    const begin = async () => (await beginTry(database.pool, mailingId, 172_800))?.n
    for (const n of [1, 2, 3]) {
      expect(await begin()).toBe(n)
      expect(await begin()).toBeUndefined()
      // Three of these, and a round of the reconciler after each, are within the 15 s that recovery may take.
      await pass(mailingId, 3.5)
    }
    expect(await begin()).toBe(4)
    await pass(mailingId, 3.5)
    expect(await begin()).toBeUndefined()
    await pass(mailingId, 2)
    expect(await begin()).toBe(5)
    await pass(mailingId, 14)
    expect(await begin()).toBeUndefined()
  })

  test('has no mailing wait for another one’s tries, until one of them may be at fault itself', async () => {
    const [one, two] = [await givenMailing(database.pool, newsroom), await givenMailing(database.pool, other)]
    const begin = async ({ mailingId }: typeof one) => (await beginTry(database.pool, mailingId, 172_800))?.n
    const bothPass = async (seconds: number) => {
      await pass(one.mailingId, seconds)
      await pass(two.mailingId, seconds)
    }
    for (const n of [1, 2, 3, 4]) {
      expect([await begin(one), await begin(two)]).toEqual([n, n])
      await bothPass(600)
    }
    expect([await begin(one), await begin(two)]).toEqual([5, undefined])
    await bothPass(600)
    expect([await begin(two), await begin(one)]).toEqual([5, undefined])
  })

  test('as a worker that ends in the middle: another takes it up within seconds, and it counts', async () => {
    const { mailingId } = await givenMailing(database.pool, newsroom)
    // What a worker has written when it is killed.
    expect(await beginTry(database.pool, mailingId, 172_800)).toMatchObject({ n: 1, trouble: null })
    expect(await wokenBy(reconcileOnly)).toEqual([])
    await pass(mailingId, 7)
    expect(await beginTry(database.pool, mailingId, 172_800)).toMatchObject({
      n: 2,
      trouble: 'The workers process that prepared it ended in the middle.',
      isLate: false,
    })
    await pass(mailingId, 4)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
  })
})

// How processes stand to each other is read from /proc.
describe.skipIf(!existsSync('/proc/self/stat'))('the process that compiles letters', () => {
  /** A stage that lets a slow try go on without its job, as the workers' does. */
  const hurried = () => ({ ...engine.fanOut, slowTries: openSlowTries(engine.mailer.log) })

  test('that hangs on one release keeps no other newsroom waiting, and is held against that release', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await endCompilers()
    const hanging = await givenMailing(database.pool, newsroom, built(3))
    const inHand = cutAudience(hurried(), hanging.mailingId)
    const pid = await soon(() => compilers()[0])
    process.kill(pid, 'SIGSTOP')

    // A layout of its own, so that it needs the process, too.
    const next = await givenMailing(database.pool, other, built(4))
    const others = cutAudience(engine.fanOut, next.mailingId)
    await soon(async () => (await triesOf(next.mailingId)) === 1)
    await vi.advanceTimersByTimeAsync(3_000)
    await others
    expect((await standing(next.mailingId)).state).not.toBe('accepted')
    // And it gives its place among the jobs away.
    await vi.advanceTimersByTimeAsync(2_000)
    await inHand
    expect(await standing(hanging.mailingId)).toEqual({ state: 'accepted', tries: 0, reason: null })

    // As long as it hangs it is in one worker's hands, and others of its newsroom are let wait, not begun.
    const third = await givenMailing(database.pool, newsroom, built(5))
    await database.pool.query(`update mailings set tried_at = now() - interval '6 seconds' where id = $1`, [
      hanging.mailingId,
    ])
    expect(await wokenBy(reconcileOnly)).not.toContain(hanging.mailingId)
    await cutAudience(engine.fanOut, third.mailingId)
    expect([await isAccepted(third.mailingId), await triesOf(third.mailingId)]).toEqual([true, 0])

    await vi.advanceTimersByTimeAsync(25_000)
    vi.useRealTimers()
    await soon(async () => (await standing(hanging.mailingId)).reason !== null)
    expect(await standing(hanging.mailingId)).toEqual({
      state: 'accepted',
      tries: 1,
      reason: 'The process that compiles letters did not answer within 30 s, and was ended',
    })
    expect(await ownFaultsOf(hanging.mailingId)).toBe(1)

    engine.woken.length = 0
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo', 'cato'])
    await pass(hanging.mailingId, 5)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
  })

  test('that is only slow gives its place away, and the mailing goes on where it was when the letter comes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await endCompilers()
    const slow = await givenMailing(database.pool, newsroom, built(7))
    const inHand = cutAudience(hurried(), slow.mailingId)
    const pid = await soon(() => compilers()[0])
    process.kill(pid, 'SIGSTOP')
    await soon(async () => (await triesOf(slow.mailingId)) === 1)
    await vi.advanceTimersByTimeAsync(5_000)
    await inHand
    expect(engine.woken).toEqual([])
    vi.useRealTimers()
    process.kill(pid, 'SIGCONT')
    await soon(() => engine.woken.length > 0)
    expect(engine.woken).toEqual([{ queue: 'fan-out', payload: { mailingId: slow.mailingId } }])
    await engine.send(slow.mailingId)
    expect(reached()).toEqual(['ada', 'bo'])
    expect((await standing(slow.mailingId)).state).toBe('done')
  })

  test('that is slow on more letters than there is memory for keeps the place of the next, and makes it once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await endCompilers()
    const { mailingId } = await givenMailing(database.pool, newsroom, built(8))
    let isOver = false
    const inHand = cutAudience(engine.fanOut, mailingId).finally(() => {
      isOver = true
    })
    const pid = await soon(() => compilers()[0])
    process.kill(pid, 'SIGSTOP')
    await soon(async () => (await triesOf(mailingId)) === 1)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(isOver).toBe(false)
    vi.useRealTimers()
    process.kill(pid, 'SIGCONT')
    await inHand
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
  })

  test('that is killed again and again is our machine’s fault', async () => {
    const { mailingId } = await givenMailing(database.pool, newsroom, built(6))
    await endCompilers()
    for (let tries = 1; tries <= 6; tries += 1) {
      const over = cutAudience(engine.fanOut, mailingId)
      let isOver = false
      void over.finally(() => {
        isOver = true
      })
      await soon(() => {
        for (const pid of compilers()) process.kill(pid, 'SIGKILL')
        return isOver
      })
      expect(await standing(mailingId)).toEqual({
        state: 'accepted',
        tries,
        reason: 'The process that compiles letters ended before it answered (SIGKILL)',
      })
      await pass(mailingId, 600)
    }
    expect(await ownFaultsOf(mailingId)).toBe(0)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
  })
})

describe('the desk', () => {
  test('says on the mailing’s page and the machine’s why nothing leaves, and sets it going at the press of a button', async () => {
    const desk = await openDesk(database.pool, {
      actions: {
        pause: never,
        resume: never,
        cancel: never,
        settle: never,
        tryAgain: (id) => tryAgain(database.pool, id as MailingId),
      },
    })
    const cookie = await desk.login()
    const get = async (url: string) => (await desk.app.inject({ url, headers: { cookie, accept: 'text/html' } })).body
    const press = (url: string) =>
      desk.app.inject({ method: 'POST', url, headers: { ...here, ...asForm, cookie, accept: 'text/html' } })
    const metric = async (name: string) =>
      new RegExp(`^pressebud_${name.replace(/[{}"]/g, '\\$&')} (.*)$`, 'm').exec(await get('/metrics'))?.[1]

    const { mailingId, release } = await givenPoison()
    await engine.send(mailingId)
    await database.pool.query(`update mailings set trouble = '<b>Bold</b> & wrong' where id = $1`, [mailingId])
    const page = `/mailings/${mailingId}`
    const told = '<bdi>&lt;b&gt;Bold&lt;/b&gt; &amp; wrong</bdi>'
    expect(await get(page)).toContain(told)
    expect(await get(page)).toContain('Tried 1 time since')
    expect(await get('/machine')).toContain(told)
    // A bad moment wakes nobody; half a minute of it does.
    expect(await get('/')).not.toContain('Mailings that cannot be prepared')
    desk.clock.now = new Date(Date.now() + 31_000)
    expect(await get('/')).toContain('Mailings that cannot be prepared: <bdi>1 tried again')
    expect([await metric('mailings_troubled'), await metric('mailings{state="failed"}')]).toEqual(['1', '0'])

    await giveUp(mailingId)
    desk.clock.now = new Date()
    expect(await get(page)).toContain('Given up: its letters cannot be prepared.')
    expect(await get('/')).toContain('Mailings that cannot be prepared: <bdi>1 was given up')
    expect(await get('/?state=failed')).toContain(`href="${page}"`)
    expect([await metric('mailings_troubled'), await metric('mailings{state="failed"}')]).toEqual(['0', '1'])

    await mend(release)
    const pressed = await press(`${page}/try-again`)
    expect([pressed.statusCode, pressed.headers.location]).toEqual([303, page])
    expect((await press(`${page}/try-again`)).statusCode).toBe(409)
    await engine.reconcileAndSend()
    expect(reached()).toEqual(['ada', 'bo'])
    expect(await get('/')).not.toContain('Mailings that cannot be prepared')
    expect(await get(page)).not.toContain('cannot be prepared')
    await desk.app.close()
  })
})

const never = () => Promise.reject(new Error('nobody asked for this'))

/** Has a mailing tried until it is given up. */
async function giveUp(id: MailingId): Promise<void> {
  for (let more = 0; more < 6 && (await standing(id)).state === 'accepted'; more += 1) {
    await pass(id, 600)
    await cutAudience(engine.fanOut, id)
  }
  expect((await standing(id)).state).toBe('failed')
}

const columnOf = async (id: MailingId, column: 'tries' | 'own_faults') => {
  const { rows } = await database.pool.query<{ tries: number; own_faults: number }>(
    'select tries, own_faults from mailings where id = $1',
    [id],
  )
  return rows[0]![column]
}
const isAccepted = async (id: MailingId) => (await standing(id)).state === 'accepted'
const triesOf = (id: MailingId) => columnOf(id, 'tries')
const ownFaultsOf = (id: MailingId) => columnOf(id, 'own_faults')

/** A release with so many links: of another layout than one with more or fewer. */
const built = (links: number): Partial<Release> => ({
  content: {
    ...sampleRelease(newsroom).content,
    links: Array.from({ length: links }, (_, n) => ({ url: `https://havneby.example/${n}`, title: `Lenke ${n}` })),
  },
})

const compilers = () =>
  descendantsOf(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('mjml-process')
    } catch {
      return false
    }
  })

/** Ends those that earlier letters have left running; one that is gone from /proc has been told of, too. */
async function endCompilers(): Promise<void> {
  const running = compilers()
  for (const pid of running) process.kill(pid, 'SIGKILL')
  await soon(() => !running.some((pid) => existsSync(`/proc/${pid}`)))
}

/** Asks again and again while the timers of what is tested stand still. */
async function soon<Found>(ask: () => Promise<Found | false | undefined> | Found | false | undefined): Promise<Found> {
  for (let tries = 0; tries < 3_000; tries += 1) {
    const found = await ask()
    if (found) return found
    await sleep(5)
  }
  throw new Error('Waited in vain.')
}

/** A pool whose connection breaks whenever a rendering is to be written. */
const withoutRenderings = (pool: TestDatabase['pool'], broken: Error): TestDatabase['pool'] =>
  new Proxy(pool, {
    get: (target, name) =>
      name === 'query'
        ? (text: unknown, values: unknown[]) =>
            String(text).includes('into renderings') ? Promise.reject(broken) : target.query(text as string, values)
        : Reflect.get(target, name),
  })

test('a newsroom that publishes hundreds of releases at once is not prepared before all others', async () => {
  const flood: MailingId[] = []
  for (let n = 0; n < 120; n += 1) flood.push((await givenMailing(database.pool, newsroom)).mailingId)
  const { mailingId } = await givenMailing(database.pool, other)
  const woken = await wokenBy(reconcileOnly)
  expect(woken).toHaveLength(100)
  expect(woken.indexOf(mailingId)).toBeLessThan(2)
  expect(woken.filter((id) => id !== mailingId)).toEqual(flood.slice(0, 99))
})
