import type { Claimed, HeldChunk, Recorded } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Envelope, Outcome } from '../../shared/transport/transport.ts'
import { type Compose, type ComposeDeps, composeFor } from './compose.ts'
import type { DomainWatch } from './domain-watch.ts'
import type { HandOverJournal } from './hand-over-journal.ts'
import type { HeldLease } from './held-leases.ts'
import { judgeOutcome, judgePoison, type Verdict } from './judge-outcome.ts'
import type { LettersOf } from './prepared-letters.ts'
import { type RecordDeps, recordOutcomes } from './record-outcomes.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import type { RetryCurve } from './retry-curve.ts'
import type { Composed, LetterTransport } from './signing-transport.ts'

export type HandOverDeps = ComposeDeps &
  RecordDeps & {
    readonly log: Log
    readonly transport: LetterTransport
    readonly circuit: RelayCircuit
    readonly watch: DomainWatch
    readonly curve: RetryCurve
    readonly chance: () => number
    /** True once the process is to stop: what is begun is finished, nothing more is claimed. */
    readonly stopping: () => boolean
  }

/** One turn at a chunk: by what right, and where it is written down how far its letters are. */
export type Turn = { readonly chunk: HeldChunk; readonly lease: HeldLease; readonly journal: HandOverJournal }

export type HandedOver = {
  readonly accepted: number
  readonly putBack: number
  /**
   * How long the mail host took. Were our own bookkeeping counted in, a busy database would shrink the windows, and small
   * windows make it busier still.
   */
  readonly ms: number
}

/** Outcomes recorded at once: so many that the statement's cost is shared. */
const recordAtOnce = 250

/** Gives a window of letters to the mail host, those that begin before `beginBefore`, and records what becomes of each. */
export async function handOver(
  deps: HandOverDeps,
  turn: Turn,
  letters: LettersOf,
  window: readonly Claimed[],
  beginBefore: number,
): Promise<HandedOver> {
  const started = performance.now()
  const mayStart = () => performance.now() < beginBefore && !deps.stopping() && deps.circuit.rest() === 0
  const compose = composeFor(deps, letters, turn.chunk.mailingId)
  let batch: Recorded[] = []
  const recording: Promise<void>[] = []
  const tally = { accepted: 0, putBack: 0 }
  await Promise.all(
    window.map(async (claimed) => {
      const { relay, blocked: _, ...verdict } = await attempt(deps, turn, openLetter(turn, compose, mayStart, claimed))
      const recorded = { subscriptionId: claimed.subscriptionId, ...verdict }
      turn.journal.outcome(claimed.attempt, recorded)
      if (relay !== undefined) deps.circuit.tellTrouble(relay)
      if (!verdict.begun) tally.putBack += 1
      if (verdict.state === 'sent') {
        tally.accepted += 1
        deps.circuit.tellSuccess()
      }
      batch.push(recorded)
      if (batch.length >= recordAtOnce) {
        recording.push(recordOutcomes(deps, turn.chunk, batch))
        batch = []
      }
    }),
  )
  const ms = performance.now() - started
  if (batch.length > 0) recording.push(recordOutcomes(deps, turn.chunk, batch))
  await Promise.all(recording)
  return { ...tally, ms }
}

/** A letter on its way: made when its connection is free, so that a window's hundreds do not all exist at once. */
type OpenLetter = { -readonly [Part in keyof Composed]: Composed[Part] } & {
  readonly claimed: Claimed
  begunAt: number
  /** Why it could not be made. */
  poison: unknown
}

function openLetter(turn: Turn, compose: Compose, mayStart: () => boolean, claimed: Claimed): OpenLetter {
  const letter: OpenLetter = {
    ...unmade,
    claimed,
    begunAt: 0,
    poison: undefined,
    mayStart: () => {
      if (letter.poison !== undefined || !mayStart()) return false
      letter.begunAt = performance.now()
      if (letter.envelope !== nobody) return true
      try {
        const { envelope, parts, prepared, reader } = compose(claimed)
        letter.envelope = envelope
        letter.parts = parts
        letter.prepared = prepared
        letter.reader = reader
        return true
      } catch (err) {
        letter.poison = err
        return false
      }
    },
    // A process that was frozen may find its chunk in other hands, and this letter sent by them.
    beforeDot: () => turn.lease.runs() && turn.journal.dot(claimed),
  }
  return letter
}

const nobody: Envelope = { from: '', to: '' }
const unmade = {
  envelope: nobody,
  parts: [],
  prepared: { language: 'en', subject: '', segments: [], slots: [] },
  reader: { to: '', messageId: '', date: '', token: '' },
} satisfies Partial<Composed>

/** One reader whose letter cannot be made must not hold up the others: that delivery fails, with the reason. */
async function attempt(deps: HandOverDeps, turn: Turn, letter: OpenLetter): Promise<Verdict> {
  const { claimed } = letter
  const outcome: Outcome = await deps.transport.send(letter)
  if (letter.poison !== undefined) {
    const { mailingId } = turn.chunk
    deps.log.error(
      { err: letter.poison, mailing: mailingId, subscription: claimed.subscriptionId },
      'a letter could not be made',
    )
    return judgePoison(letter.poison)
  }
  const given = { attempt: claimed.attempt, curve: deps.curve, doubt: deps.doubt, chance: deps.chance() }
  const verdict = judgeOutcome(outcome, given)
  if (outcome.kind === 'accepted' || outcome.kind === 'refused')
    deps.watch.see({
      address: claimed.address,
      ms: performance.now() - letter.begunAt,
      blocked: verdict.blocked ?? null,
    })
  return verdict
}
