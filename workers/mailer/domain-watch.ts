import { changePaces, listPacedDomains, readPaces } from '../../shared/delivery/pace.sql.ts'
import { adaptPace, domainOf, leastSeen, type Sighting, slowMs } from '../../shared/delivery/pace.ts'
import type { Log } from '../../shared/log/log.ts'
import { warnSeldom } from '../../shared/log/warn-seldom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { within } from '../../shared/within.ts'

/**
 * A receiving domain as this process sees it. It *stands* while several letters to it wait for the mail host and those to
 * others come and go, or nothing goes at all: then no further letter to it is begun, and the connections it waits on
 * are not counted.
 */
export type Domain = {
  /** `now`: by `performance.now()`. */
  begin(now: number): void
  /** `told`: what a letter that was accepted or refused tells of its domain. */
  end(now: number, told: { readonly ms: number; readonly blocked: string | null } | null): void
  readonly stands: () => boolean
}

/** Watches how receiving domains answer, and keeps their paces: once a second, not once a letter. */
export type DomainWatch = {
  of(address: string): Domain
  /** For how long no letter to any domain has come to an end, in milliseconds. */
  quietFor(): number
  /**
   * Whether a letter under way has kept its connection for seconds, and nothing went at all once it had: so may each of many domains
   * that have one reader and one provider, of which none stands. It is so to its end: what goes then goes over the connections that
   * are opened in place of these.
   */
  hangs(begunAt: number): boolean
  /** For how long letters are under way of which none has come to an end, in milliseconds; 0: none is under way. */
  waitsFor(): number
  tell(): Promise<void>
  close(): Promise<void>
}

type Tally = { accepted: number; ms: number; blocked: number; reply: string }
type Watched = Domain & {
  readonly tally: Tally
  readonly isInHand: () => boolean
  /** For how long its letters have waited while others came and went, in milliseconds; 0: they have not, or none did. */
  readonly slowFor: (now: number) => number
}

const tellEvery = 1_000
/** Milliseconds: what the end of a process may wait for a database that hangs. */
const longestEnd = 2_000
/** Of letters to other domains so many must have ended, for each connection, since one to this domain began. */
const othersPerConnection = 5
/** One letter that waits keeps one connection, and tells nothing of its domain. */
const leastWaiting = 2
/** Milliseconds. */
const hangsAfter = 5_000
/** Where four times as many have, a fifth of the time is enough to see it: a fast mailing loses less. */
const soon = { ms: slowMs / 5, othersPerConnection: 4 * othersPerConnection }

type Deps = { readonly pool: Pool; readonly log: Log; readonly now: () => Date; readonly connections: number }

export function openDomainWatch(deps: Deps): DomainWatch {
  const domains = new Map<string, Watched>()
  const enough = othersPerConnection * deps.connections
  const plenty = soon.othersPerConnection * deps.connections
  let ended = 0
  let lastEnd = performance.now()
  let underWay = 0
  let waitsSince = 0
  let hangingSince = 0

  function of(address: string): Domain {
    const name = domainOf(address)
    let domain = domains.get(name)
    if (!domain) {
      domain = watchOne()
      domains.set(ownCopy(name), domain)
    }
    return domain
  }

  function watchOne(): Watched {
    const tally: Tally = { accepted: 0, ms: 0, blocked: 0, reply: '' }
    let inHand = 0
    let since = 0
    let endedThen = 0

    function waitFrom(now: number): void {
      since = now
      endedThen = ended
    }

    const isWaiting = (now: number) =>
      inHand >= leastWaiting && now - since > (ended - endedThen >= plenty ? soon.ms : slowMs)

    function slowFor(now: number): number {
      return isWaiting(now) && ended - endedThen >= enough ? now - since : 0
    }

    // Where nothing goes at all, a process that has just gone on after standing still looks the same: it passes by itself,
    // and no pace is made of it.
    function stands(): boolean {
      if (inHand < leastWaiting) return false
      const now = performance.now()
      return isWaiting(now) && (ended - endedThen >= enough || now - lastEnd > slowMs)
    }

    return {
      tally,
      begin(now) {
        if (inHand < leastWaiting) waitFrom(now)
        if (underWay === 0) waitsSince = now
        inHand += 1
        underWay += 1
      },
      end(now, told) {
        inHand -= 1
        underWay -= 1
        ended += 1
        lastEnd = now
        waitsSince = now
        waitFrom(now)
        if (told === null) return
        if (told.blocked === null) {
          tally.accepted += 1
          tally.ms += told.ms
        } else {
          tally.blocked += 1
          tally.reply = told.blocked
        }
      },
      stands,
      slowFor,
      isInHand: () => inHand > 0,
    }
  }

  async function tell(): Promise<void> {
    const sightings = sightingsOf(domains)
    fade(domains)
    const paced = new Set(await listPacedDomains(deps.pool))
    // A domain that runs free and behaves, as nearly all do, costs nothing here.
    let worthTelling = [...sightings].filter(
      ([domain, sighting]) => paced.has(domain) || adaptPace(null, sighting, deps.now().getTime()) !== null,
    )
    // Another process may have told of the same domain meanwhile: then what was seen is told of what it has become. Where that
    // happens again and again, theirs stands; what is slow or blocked is seen anew in a second.
    for (let tries = 0; tries < 3 && worthTelling.length > 0; tries += 1) worthTelling = await tellOf(worthTelling)
  }

  /** Returns what could not be told. */
  async function tellOf(seen: readonly [string, Sighting][]): Promise<[string, Sighting][]> {
    const now = deps.now().getTime()
    const known = await readPaces(
      deps.pool,
      seen.map(([domain]) => domain),
    )
    const changes = seen.flatMap(([domain, sighting]) => {
      const before = known.get(domain) ?? null
      const after = adaptPace(before, sighting, now)
      return after === before ? [] : [{ domain, before, after }]
    })
    if (changes.length === 0) return []
    const changed = await changePaces(deps.pool, changes)
    for (const { domain, after } of changes) {
      if (!changed.has(domain)) continue
      const { rate, reason, heldUntil } = after ?? { rate: null, reason: 'free', heldUntil: 0 }
      deps.log.warn({ domain, rate, reason, held: heldUntil > now }, 'the pace of a receiving domain has changed')
    }
    const left = new Set(changes.flatMap(({ domain }) => (changed.has(domain) ? [] : [domain])))
    return seen.filter(([domain]) => left.has(domain))
  }

  // One after another: who asks for what was seen to be told wants it written, also what another telling has in hand.
  let telling: Promise<unknown> = Promise.resolve()
  const tellInTurn = (): Promise<void> => {
    const told = telling.then(tell)
    telling = told.catch(() => {})
    return told
  }
  let isDue = true
  const timer = setInterval(() => {
    // While the database hangs they would stand in line for longer than it does.
    if (!isDue) return
    isDue = false
    tellInTurn()
      .catch((err: unknown) => warnSeldom(deps.log, { err }, 'could not keep the paces'))
      .finally(() => {
        isDue = true
      })
  }, tellEvery)
  timer.unref()
  return {
    of,
    quietFor: () => performance.now() - lastEnd,
    hangs(begunAt) {
      const now = performance.now()
      if (now - lastEnd > slowMs) hangingSince = now - hangsAfter
      return begunAt < hangingSince
    },
    waitsFor: () => (underWay === 0 ? 0 : performance.now() - waitsSince),
    tell: tellInTurn,
    close: async () => {
      clearInterval(timer)
      await within(longestEnd, telling, undefined)
    },
  }
}

/** An address is cut out of the text of its whole window, and V8 keeps that text for as long as a piece of it is kept. */
const ownCopy = (domain: string) => Buffer.from(domain).toString()

/** A domain is compared over some seconds: of a slow one few letters are seen in each. */
function fade(domains: Map<string, Watched>): void {
  for (const [name, { tally, isInHand }] of domains) {
    const { accepted, ms } = tally
    if (accepted < 1 && !isInHand()) domains.delete(name)
    else Object.assign(tally, { accepted: accepted / 2, ms: ms / 2, blocked: 0, reply: '' })
  }
}

function sightingsOf(domains: ReadonlyMap<string, Watched>): Map<string, Sighting> {
  const now = performance.now()
  let letters = 0
  let ms = 0
  for (const { tally } of domains.values()) {
    letters += tally.accepted
    ms += tally.ms
  }
  const sightings = new Map<string, Sighting>()
  for (const [name, { tally, slowFor }] of domains) {
    const { accepted, ms: own, blocked, reply } = tally
    const others = letters - accepted
    const soFar = slowFor(now)
    sightings.set(name, {
      // What has not come to its end yet tells as much as what has: a host that never answers would not be seen else.
      accepted: soFar > 0 ? Math.max(accepted, leastSeen) : accepted,
      blocked,
      meanMs: Math.max(soFar, accepted > 0 ? own / accepted : 0),
      // Where there is no other to compare with, nothing is slow.
      othersMs: others > 0 ? (ms - own) / others : Number.POSITIVE_INFINITY,
      reply,
    })
  }
  return sightings
}
