import { dropPace, listPacedDomains, lockPaces, writePace } from '../../shared/delivery/pace.sql.ts'
import { adaptPace, domainOf, type Sighting } from '../../shared/delivery/pace.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { inTransaction } from '../../shared/postgres/transaction.ts'

/** What a hand-over told of its domain. */
export type Seen = { readonly address: string; readonly ms: number; readonly blocked: string | null }

/** Watches how receiving domains answer, and keeps their paces: once a second, not once a letter. */
export type DomainWatch = { see(seen: Seen): void; tell(): Promise<void>; close(): Promise<void> }

type Tally = { accepted: number; ms: number; blocked: number; reply: string }

const tellEvery = 1_000

export function openDomainWatch(deps: { pool: Pool; log: Log; now: () => Date }): DomainWatch {
  let tallies = new Map<string, Tally>()

  function see({ address, ms, blocked }: Seen): void {
    const domain = domainOf(address)
    let tally = tallies.get(domain)
    if (!tally) {
      tally = { accepted: 0, ms: 0, blocked: 0, reply: '' }
      tallies.set(ownCopy(domain), tally)
    }
    if (blocked === null) {
      tally.accepted += 1
      tally.ms += ms
    } else {
      tally.blocked += 1
      tally.reply = blocked
    }
  }

  async function tell(): Promise<void> {
    const sightings = sightingsOf(tallies)
    tallies = fade(tallies)
    const paced = new Set(await listPacedDomains(deps.pool))
    // A domain that runs free and behaves, as nearly all do, costs nothing here.
    const worthTelling = [...sightings].filter(
      ([domain, sighting]) => paced.has(domain) || adaptPace(null, sighting, deps.now().getTime()) !== null,
    )
    if (worthTelling.length === 0) return
    await inTransaction(deps.pool, async (tx) => {
      const now = deps.now().getTime()
      const known = new Map(
        (
          await lockPaces(
            tx,
            worthTelling.map(([domain]) => domain),
          )
        ).map((pace) => [pace.domain, pace]),
      )
      for (const [domain, sighting] of worthTelling) {
        const before = known.get(domain) ?? null
        const after = adaptPace(before, sighting, now)
        if (after === before) continue
        if (after === null) await dropPace(tx, domain)
        else await writePace(tx, domain, after)
        const { rate, reason, heldUntil } = after ?? { rate: null, reason: 'free', heldUntil: 0 }
        deps.log.warn({ domain, rate, reason, held: heldUntil > now }, 'the pace of a receiving domain has changed')
      }
    })
  }

  // One after another: who asks for what was seen to be told wants it written, also what another telling has in hand.
  let telling: Promise<unknown> = Promise.resolve()
  const tellInTurn = (): Promise<void> => {
    const told = telling.then(tell)
    telling = told.catch(() => {})
    return told
  }
  const timer = setInterval(() => {
    tellInTurn().catch((err: unknown) => deps.log.warn({ err }, 'could not keep the paces'))
  }, tellEvery)
  timer.unref()
  return {
    see,
    tell: tellInTurn,
    close: async () => {
      clearInterval(timer)
      await telling
    },
  }
}

/** An address is cut out of the text of its whole window, and V8 keeps that text for as long as a piece of it is kept. */
const ownCopy = (domain: string) => Buffer.from(domain).toString()

/** A domain is compared over some seconds: of a slow one few letters are seen in each. */
function fade(tallies: ReadonlyMap<string, Tally>): Map<string, Tally> {
  const faded = new Map<string, Tally>()
  for (const [domain, { accepted, ms }] of tallies)
    if (accepted >= 1) faded.set(domain, { accepted: accepted / 2, ms: ms / 2, blocked: 0, reply: '' })
  return faded
}

function sightingsOf(tallies: ReadonlyMap<string, Tally>): Map<string, Sighting> {
  let letters = 0
  let ms = 0
  for (const tally of tallies.values()) {
    letters += tally.accepted
    ms += tally.ms
  }
  const sightings = new Map<string, Sighting>()
  for (const [domain, { accepted, ms: own, blocked, reply }] of tallies) {
    const others = letters - accepted
    sightings.set(domain, {
      accepted,
      blocked,
      meanMs: accepted > 0 ? own / accepted : 0,
      // Where there is no other to compare with, nothing is slow.
      othersMs: others > 0 ? (ms - own) / others : Number.POSITIVE_INFINITY,
      reply,
    })
  }
  return sightings
}
