import PostalMime from 'postal-mime'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { lateDigests } from '../../services/ops/machine/judge-digests.ts'
import { listDigestHours } from '../../shared/digest/digest-cut.sql.ts'
import { cancelMailing, findMailing, setPaused } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { cutDigests } from '../../workers/scheduler/cut-digests.ts'
import { givenDigestReaders, noonsFrom, wishFrequency } from '../given/digests.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { givenSecret, releaseBody, signedHeaders } from '../given/webhook.ts'
import { openTestApi, type TestApi } from '../rig/api.ts'
import { emptyTables, openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { openRecordingInbox, type RecordingInbox } from '../rig/recording-inbox.ts'

let database: TestDatabase
let api: TestApi
let inbox: RecordingInbox
let engine: Engine
let newsroom: Newsroom
let secret: string
let webhook = 0
let nextNoon: () => Date

beforeAll(async () => {
  database = await openTestDatabase()
  api = await openTestApi(database.pool)
})
afterAll(async () => {
  await api.app.close()
  await database.close()
})
beforeEach(async () => {
  await emptyTables(database.pool)
  inbox = await openRecordingInbox()
  engine = openEngine(database.pool, inbox.url, { chunkSize: 20 })
  newsroom = await givenNewsroom(database.pool, { topics: [topic('culture'), topic('roads')], digestWeekday })
  secret = await givenSecret(database.pool, newsroom)
  nextNoon = noonsFrom(new Date())
  return async () => {
    await engine.close()
    await inbox.close()
  }
})

/** That of yesterday: on whatever day the tests are run, the next weekly digest is some days off. */
const digestWeekday = new Date(Date.now() - 86_400_000).getUTCDay() || 7

const topic = (id: string) => ({ id, names: { nb: id, en: id } })

async function tell(type: string, data: object) {
  const payload = JSON.stringify({ type, timestamp: new Date().toISOString(), data })
  const url = `/webhooks/newsrooms/${newsroom.slug}/releases`
  const headers = signedHeaders(secret, `msg_${++webhook}`, payload)
  const answer = await api.app.inject({ method: 'POST', url, headers, payload })
  expect(answer.statusCode, answer.body).toBe(202)
  return answer.json().mailing.id as MailingId
}
const bodyOf = (externalId: string, title: string, more: object) =>
  releaseBody({
    externalId,
    languages: { nb: { title, lead: `${title} i korte trekk.`, bodyHtml: '<p>Mer.</p>' } },
    ...more,
  }).data
const publish = (externalId: string, title = externalId, more: object = {}) =>
  tell('release.published', bodyOf(externalId, title, more))
const correct = (externalId: string, title: string, more: object = {}) =>
  tell('release.corrected', bodyOf(externalId, title, more))
const withdraw = (externalId: string) => tell('release.withdrawn', { externalId })

/** Letters since the last time this was asked: whom each reached, and the headings in its text. */
async function letters(): Promise<Record<string, string[]>> {
  const told: Record<string, string[]> = {}
  for (const { to, raw } of inbox.received) {
    const { text = '', subject } = await PostalMime.parse(raw)
    const headings = [...text.matchAll(/^(.+)\n-{3,}\n(.*)/gm)]
      .map(([, title, line]) => (/ · /.test(line!) ? `${line!.split(' · ')[0]}: ${title}` : title!))
      .filter((title) => !/^(Kontakt|Dokument|Lenke|Om )/.test(title))
    const name = to.split('@')[0]!
    told[name] = [...(told[name] ?? []), headings.length > 0 ? headings.join(' | ') : `* ${subject}`]
  }
  inbox.received.length = 0
  return told
}

async function endOfDay(): Promise<Record<string, string[]>> {
  await engine.cutDigestsAndSend(nextNoon())
  return letters()
}

async function endOfWeek(): Promise<Record<string, string[]>> {
  for (let at = nextNoon(); ; at = nextNoon())
    if ((at.getUTCDay() || 7) === digestWeekday) return engine.cutDigestsAndSend(at).then(letters)
}

describe('a digest', () => {
  test('gathers what was published since the last, newest first, once, and is never empty', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily', ola: 'weekly', siri: 'immediate' })
    await publish('en', 'Den første', { publishedAt: '2024-03-14T10:00:00+01:00' })
    await publish('to', 'Den andre', { publishedAt: '2024-03-14T11:00:00+01:00' })
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({ siri: ['* Den første', '* Den andre'] })
    const monday = await endOfWeek()
    expect(monday).toEqual({ kari: ['Den andre | Den første'], ola: ['Den andre | Den første'] })
    expect(await endOfWeek()).toEqual({})
    await publish('tre', 'Den tredje')
    await engine.reconcileAndSend()
    await letters()
    expect(await endOfDay()).toEqual({ kari: ['Den tredje'] })
    expect(await endOfWeek()).toEqual({ ola: ['Den tredje'] })
  })

  test('is one mailing for each distinct content, prepared once for each language', async () => {
    const readers = await givenReaders(database.pool, newsroom, 1_000)
    await database.pool.query(
      `update subscriptions s set frequency = 'daily',
              topics = case s.id % 3 when 0 then '{}'::text[] when 1 then '{culture}' else '{roads}' end
        where newsroom_id = $1`,
      [newsroom.id],
    )
    await publish('k', 'Kultur', { topics: ['culture'] })
    await publish('v', 'Vei', { topics: ['roads'] })
    await engine.reconcileAndSend()
    const told = await endOfDay()
    expect(Object.keys(told)).toHaveLength(readers.length)
    expect(inbox.received).toHaveLength(0)
    const counts: Record<string, number> = {}
    for (const one of Object.values(told)) {
      expect(one).toHaveLength(1)
      counts[one[0]!] = (counts[one[0]!] ?? 0) + 1
    }
    expect(Object.keys(counts).sort()).toEqual(['Kultur', 'Vei', 'Vei | Kultur'])
    const { rows } = await database.pool.query(
      `select (select count(*)::int from mailings where kind = 'digest' and state = 'done') as mailings,
              (select count(*)::int from renderings r join mailings m on m.id = r.mailing_id where m.kind = 'digest') as renderings`,
    )
    expect(rows[0]).toEqual({ mailings: 3, renderings: 6 })
  })
})

describe('a release that is revised', () => {
  test('before a digest tells of it is told in its newest text, and marked; withdrawn, it is not told at all', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await publish('a', 'Gammel')
    await publish('b', 'Trukket')
    await engine.reconcileAndSend()
    await correct('a', 'Rett')
    await withdraw('b')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({})
    expect(await endOfDay()).toEqual({ kari: ['Rettet utgave: Rett'] })
    expect(await endOfDay()).toEqual({})
  })

  test('after a digest told of it is told as a correction in the next, to whom had it; withdrawn, at once', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily', ola: 'weekly' })
    await publish('a', 'Gammel')
    await publish('b', 'Annet')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Annet | Gammel'] })
    await correct('a', 'Rett')
    await withdraw('b')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({ kari: ['* Trukket tilbake: Annet'] })
    expect(await endOfDay()).toEqual({ kari: ['Rettelse: Rett'] })
    expect(await endOfWeek()).toEqual({ ola: ['Rettet utgave: Rett'] })
  })

  test.each(['corrected', 'withdrawn'] as const)(
    '%s while digests leave lets none of the old text begin after the answer, and loses nothing else',
    async (how) => {
      const readers = await givenReaders(database.pool, newsroom, 200)
      await database.pool.query(`update subscriptions set frequency = 'daily' where newsroom_id = $1`, [newsroom.id])
      await publish('a', 'Gammel')
      await publish('b', 'Annet')
      await engine.reconcileAndSend()
      let begun = 0
      let answeredAt = Number.POSITIVE_INFINITY
      let answering: Promise<void> | null = null
      inbox.onMailFrom = async () => {
        const number = ++begun
        await new Promise((resolve) => setTimeout(resolve, 40))
        if (number === 5)
          answering = (how === 'corrected' ? correct('a', 'Rett') : withdraw('a')).then(() => {
            answeredAt = performance.now()
          })
      }
      const noon = nextNoon()
      await engine.cutDigestsAndSend(noon)
      await expect.poll(() => answeredAt, { timeout: 10_000 }).toBeLessThan(Number.POSITIVE_INFINITY)
      await answering
      inbox.onMailFrom = async () => {}
      for (let turns = 0; turns < 4; turns += 1) await engine.cutDigestsAndSend(noon)

      const old = inbox.received.filter(({ raw }) => raw.includes('Gammel') && !/^Subject: Trukket/m.test(raw))
      expect(old.length).toBeGreaterThan(0)
      expect(old.length).toBeLessThan(readers.length)
      expect(old.filter(({ mailFromAt }) => mailFromAt > answeredAt)).toEqual([])
      const had = new Set(old.map(({ to }) => to))
      const told = await letters()
      expect(Object.keys(told)).toHaveLength(readers.length)
      for (const { address } of readers) {
        const withOld = ['Annet | Gammel', ...(how === 'withdrawn' ? ['* Trukket tilbake: Gammel'] : [])]
        const without = how === 'withdrawn' ? ['Annet'] : ['Annet | Rettet utgave: Rett']
        expect(told[address.split('@')[0]!]).toEqual(had.has(address) ? withOld : without)
      }
      const next = await endOfDay()
      expect(Object.keys(next).sort()).toEqual(
        how === 'withdrawn' ? [] : [...had].map((address) => address.split('@')[0]!).sort(),
      )
      expect(new Set(Object.values(next).flat())).toEqual(new Set(how === 'withdrawn' ? [] : ['Rettelse: Rett']))
    },
  )

  test('corrected while letters of a digest wait for another try is not waited for with them', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const [kari] = (await database.pool.query<{ address: string }>('select address from subscribers')).rows
    inbox.refuse(kari!.address, { code: 450, text: '4.2.0 Greylisted', times: 1 })
    await publish('a', 'Gammel')
    await engine.reconcileAndSend()
    const noon = nextNoon()
    await engine.cutDigestsAndSend(noon)
    expect(await letters()).toEqual({})
    await correct('a', 'Rett')
    // One turn of the cut wakes what waits, and the next deals the other digest.
    for (let turns = 0; turns < 3; turns += 1) await engine.cutDigestsAndSend(noon)
    expect(await letters()).toEqual({ kari: ['Rettet utgave: Rett'] })
  })

  test('while a digest with it is in doubt leaves nothing else of that digest untold, however often', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const [kari] = (await database.pool.query<{ address: string }>('select address from subscribers')).rows
    // The host has put the letter off; before, it may have taken it without a word.
    const leaveInDoubt = async () => {
      await engine.cutDigestsAndSend(noon)
      expect(await letters()).toEqual({})
      await database.pool.query(
        `insert into attempts (mailing_id, subscription_id, attempt, at, verdict, detail)
         select mailing_id, subscription_id, 0, now(), 'in_doubt', 'The connection broke.'
           from deliveries where state = 'deferred'`,
      )
    }
    await publish('a', 'Gammel')
    await publish('b', 'Annet')
    await publish('c', 'Tredje')
    await engine.reconcileAndSend()
    const noon = nextNoon()
    inbox.refuse(kari!.address, { code: 450, text: '4.2.0 Greylisted', times: 2 })
    await leaveInDoubt()
    await correct('a', 'Rett')
    await engine.cutDigestsAndSend(noon)
    await leaveInDoubt()
    await withdraw('b')
    for (let turns = 0; turns < 3; turns += 1) await engine.cutDigestsAndSend(noon)
    expect(await letters()).toEqual({ kari: ['* Trukket tilbake: Annet', 'Tredje | Rettelse: Rett'] })
    expect(await endOfDay()).toEqual({})
  })
})

describe('a reader who changes frequency', () => {
  test('from letters at once to digests while a release is half fanned out has it once, either way', async () => {
    const readers = await givenReaders(database.pool, newsroom, 60)
    const mailing = await publish('a', 'Halvveis')
    await cutAudience(engine.fanOut, mailing)
    const half = engine.woken.splice(0)
    engine.woken.push(...half.slice(0, 2))
    await engine.cutDigestsAndSend(new Date(0))
    for (const { subscriptionId } of readers) await wishFrequency(database.pool, subscriptionId, 'daily')
    for (let turns = 0; turns < 3; turns += 1) await engine.reconcileAndSend()
    const atOnce = Object.keys(await letters())
    const gathered = Object.keys(await endOfDay())
    expect([...atOnce, ...gathered].sort()).toEqual(readers.map(({ address }) => address.split('@')[0]!).sort())
    expect(await endOfDay()).toEqual({})
  })

  test('from digests to letters at once is told what waited in a last digest, and the rest at once', async () => {
    const { kari } = await givenDigestReaders(database.pool, newsroom, { kari: 'weekly', siri: 'immediate' })
    const waiting = await publish('a', 'Ventet')
    await cutAudience(engine.fanOut, waiting)
    await wishFrequency(database.pool, kari!.subscriptionId, 'immediate')
    await publish('b', 'Straks')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({ kari: ['* Straks'], siri: ['* Ventet', '* Straks'] })
    expect(await endOfDay()).toEqual({ kari: ['Ventet'] })
    expect(await endOfWeek()).toEqual({})
  })

  test('back and forth has each release once', async () => {
    const { kari } = await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await publish('a', 'Første')
    await wishFrequency(database.pool, kari!.subscriptionId, 'immediate')
    await publish('b', 'Andre')
    await wishFrequency(database.pool, kari!.subscriptionId, 'weekly')
    await publish('c', 'Tredje')
    await wishFrequency(database.pool, kari!.subscriptionId, 'daily')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({})
    expect(await endOfDay()).toEqual({ kari: ['Tredje | Andre | Første'] })
    await wishFrequency(database.pool, kari!.subscriptionId, 'immediate')
    await publish('d', 'Fjerde')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({ kari: ['* Fjerde'] })
    expect(await endOfDay()).toEqual({})
  })
})

describe('a cut', () => {
  test('that is broken off goes on where it stood, with nobody passed over and nobody told twice', async () => {
    const readers = await givenReaders(database.pool, newsroom, 50)
    await database.pool.query(`update subscriptions set frequency = 'daily' where newsroom_id = $1`, [newsroom.id])
    await publish('a', 'Én gang')
    await engine.reconcileAndSend()
    const noon = nextNoon()
    let steps = 0
    const small = { ...engine.digests, now: () => noon, readersAtOnce: 10, stopping: () => ++steps > 2 }
    await cutDigests(small)
    const dealt = async () => (await database.pool.query('select from deliveries where state = $1', ['due'])).rowCount
    const before = await dealt()
    expect(before).toBeGreaterThan(0)
    expect(before).toBeLessThan(50)
    // The next batch breaks in the middle: all it had written is undone with it.
    await database.pool.query(`create function break_off() returns trigger language plpgsql as
      $$ begin raise 'broken off'; end $$;
      create trigger break_off before update of reached on digest_cuts for each row execute function break_off()`)
    await cutDigests({ ...small, stopping: () => false })
    expect(await dealt()).toBe(before)
    await database.pool.query('drop trigger break_off on digest_cuts; drop function break_off')
    await engine.cutDigestsAndSend(noon)
    await engine.cutDigestsAndSend(noon)
    expect(await letters()).toEqual(
      Object.fromEntries(readers.map(({ address }) => [address.split('@')[0]!, ['Én gang']])),
    )
  })

  test('of a newsroom whose time zone this Node.js does not know holds up no other, and is called late', async () => {
    const lost = await givenNewsroom(database.pool, { zone: 'Europe/Oslo' })
    await database.pool.query(`update newsrooms set zone = 'Europe/Atlantis' where id = $1`, [lost.id])
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await publish('a', 'Likevel')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Likevel'] })
    const hours = await listDigestHours(database.pool)
    const { createdAt } = hours.find(({ newsroomId }) => newsroomId === lost.id)!
    expect(lateDigests(hours, new Map(), new Date())).toMatchObject({ oldest: createdAt })
  })

  test('catches up once with hours that passed while everything was down', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await endOfDay()
    await publish('a', 'Ventet')
    await engine.reconcileAndSend()
    for (let missed = 0; missed < 5; missed += 1) nextNoon()
    expect(await endOfDay()).toEqual({ kari: ['Ventet'] })
    const { rows } = await database.pool.query(
      `select count(*)::int as cuts from digest_cuts where frequency = 'daily' and newsroom_id = $1`,
      [newsroom.id],
    )
    expect(rows).toEqual([{ cuts: 2 }])
  })

  test('does not drop what is committed after it, however long before that it was accepted', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await publish('a', 'I tide')
    const late = await database.pool.connect()
    await late.query('begin')
    const { rows } = await late.query<{ id: string }>(
      `insert into releases (id, newsroom_id, external_id, revision, kind, published_at, zone, created_at)
       values (gen_random_uuid(), $1, 'late', 1, 'release', now() - interval '1 hour', 'Europe/Oslo', now()) returning id`,
      [newsroom.id],
    )
    await late.query(
      `insert into revisions (release_id, revision, kind, content, received_at)
       select $1, 1, 'release', jsonb_set(content, '{languages,nb,title}', '"For sent"'), now() from revisions limit 1`,
      [rows[0]!.id],
    )
    await late.query(
      `insert into mailings (newsroom_id, kind, release_id, revision, state, accepted_at, due_at)
       values ($1, 'release', $2, 1, 'accepted', now(), now())`,
      [newsroom.id, rows[0]!.id],
    )
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['I tide'] })
    await late.query('commit')
    late.release()
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['For sent'] })
    expect(await endOfDay()).toEqual({})
  })
})

describe('a release whose mailing an operator', () => {
  /** As if it were still being sent to others, and somebody stopped it to look. */
  async function pauseInTheMiddle(mailing: MailingId): Promise<void> {
    await database.pool.query(`update mailings set state = 'sending', done_at = null where id = $1`, [mailing])
    await database.pool.query(
      `insert into chunks (mailing_id, n, after_id, upto_id, size, rank, state, next_at)
       values ($1, 99, 0, 0, 1, 99, 'open', 'infinity')`,
      [mailing],
    )
    await setPaused(database.pool, mailing, true)
  }

  test('has paused is told in the digest after it goes on, to those who have it not', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily', ola: 'weekly' })
    const mailing = await publish('a', 'Holdt igjen')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Holdt igjen'] })
    await pauseInTheMiddle(mailing)
    await publish('b', 'Sendt')
    await engine.reconcileAndSend()
    expect(await endOfWeek()).toEqual({ kari: ['Sendt'], ola: ['Sendt'] })
    await setPaused(database.pool, mailing, false)
    expect(await endOfWeek()).toEqual({ ola: ['Holdt igjen'] })
    expect(await endOfWeek()).toEqual({})
  })

  test('has paused, and that is corrected after a digest has passed it over, is told as corrected to those who had it', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const mailing = await publish('a', 'Feil tall')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Feil tall'] })
    await pauseInTheMiddle(mailing)
    expect(await endOfDay()).toEqual({})
    await correct('a', 'Rett tall')
    await publish('b', 'Noe annet')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Noe annet | Rettelse: Rett tall'] })
    expect(await endOfDay()).toEqual({})
  })

  test('has paused is not told again to who had it by itself and has turned to digests meanwhile', async () => {
    const { siri } = await givenDigestReaders(database.pool, newsroom, { siri: 'immediate', kari: 'daily' })
    const mailing = await publish('a', 'Holdt igjen')
    await engine.reconcileAndSend()
    expect(await letters()).toEqual({ siri: ['* Holdt igjen'] })
    await pauseInTheMiddle(mailing)
    await wishFrequency(database.pool, siri!.subscriptionId, 'daily')
    await publish('b', 'Noe annet')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Noe annet'], siri: ['Noe annet'] })
    await setPaused(database.pool, mailing, false)
    expect(await endOfDay()).toEqual({ kari: ['Holdt igjen'] })
  })

  test('has paused before any digest could tell of it, and that is corrected, is told as corrected to who had it by itself', async () => {
    const { siri } = await givenDigestReaders(database.pool, newsroom, { siri: 'immediate', kari: 'daily' })
    const mailing = await publish('a', 'Feil tall')
    await engine.send(mailing)
    expect(await letters()).toEqual({ siri: ['* Feil tall'] })
    await pauseInTheMiddle(mailing)
    await wishFrequency(database.pool, siri!.subscriptionId, 'daily')
    await publish('b', 'Noe annet')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Noe annet'], siri: ['Noe annet'] })
    await correct('a', 'Rett tall')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Rettet utgave: Rett tall'], siri: ['Rettelse: Rett tall'] })
  })

  test('has paused as its last letters ended is over, and told', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const mailing = await publish('a', 'Ferdig')
    await engine.reconcileAndSend()
    await pauseInTheMiddle(mailing)
    expect(await endOfDay()).toEqual({})
    await database.pool.query(`update chunks set state = 'done' where mailing_id = $1`, [mailing])
    await engine.reconcileAndSend()
    expect(await findMailing(database.pool, mailing)).toMatchObject({ state: 'done', paused: false })
    expect(await endOfDay()).toEqual({ kari: ['Ferdig'] })
  })

  test('has cancelled is told in none', async () => {
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    await cancelMailing(database.pool, await publish('a', 'Stanset'))
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({})
  })
})

describe('nobody gets a digest', () => {
  test('after leaving, though it was dealt before', async () => {
    const { kari } = await givenDigestReaders(database.pool, newsroom, { kari: 'daily', ola: 'daily' })
    await publish('a', 'Nytt')
    await engine.reconcileAndSend()
    const noon = nextNoon()
    await cutDigests({ ...engine.digests, now: () => noon })
    await database.pool.query(`update subscriptions set state = 'ended', ended_at = now() where id = $1`, [
      kari!.subscriptionId,
    ])
    await engine.cutDigestsAndSend(noon)
    expect(await letters()).toEqual({ ola: ['Nytt'] })
  })

  test('on pause; afterwards they are told what came before and after it, and not what came in it', async () => {
    const { kari } = await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const pause = (until: string) =>
      database.pool.query(`update subscriptions set paused_until = now() + $2::interval where id = $1`, [
        kari!.subscriptionId,
        until,
      ])
    await publish('a', 'Før')
    await pause('1 hour')
    await publish('b', 'Under')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({})
    await pause('0')
    await publish('c', 'Etter')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Etter | Før'] })
  })

  test('on pause; a correction that came in it of what they have is told afterwards', async () => {
    const { kari } = await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    const pause = (until: string) =>
      database.pool.query(`update subscriptions set paused_until = now() + $2::interval where id = $1`, [
        kari!.subscriptionId,
        until,
      ])
    await publish('a', 'Feil tall')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({ kari: ['Feil tall'] })
    await pause('1 hour')
    await correct('a', 'Rett tall')
    await publish('b', 'Under')
    await correct('b', 'Under, rettet')
    await engine.reconcileAndSend()
    expect(await endOfDay()).toEqual({})
    await pause('0')
    expect(await endOfDay()).toEqual({ kari: ['Rettelse: Rett tall'] })
    expect(await endOfDay()).toEqual({})
  })

  test('of what was accepted before they followed', async () => {
    await publish('a', 'Gammelt')
    await engine.reconcileAndSend()
    await givenDigestReaders(database.pool, newsroom, { kari: 'daily' })
    expect(await endOfDay()).toEqual({})
  })
})
