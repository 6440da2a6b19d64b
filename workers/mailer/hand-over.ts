import type { Claimed, HeldChunk, Recorded } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import type { Outcome } from '../../shared/transport/transport.ts'
import { type ComposeDeps, composeFor } from './compose.ts'
import type { DomainWatch } from './domain-watch.ts'
import type { HandOverJournal } from './hand-over-journal.ts'
import type { HeldLease } from './held-leases.ts'
import { judgeOutcome, judgePoison, type Verdict } from './judge-outcome.ts'
import type { LettersInHand } from './letters-in-hand.ts'
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
    readonly inHand: LettersInHand
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
const recordAtOnce = 500

/** Gives a window of letters to the mail host, those that begin before `beginBefore`, and records what becomes of each. */
export async function handOver(
  deps: HandOverDeps,
  turn: Turn,
  letters: LettersOf,
  window: readonly Claimed[],
  beginBefore: number,
): Promise<HandedOver> {
  const { circuit, transport, watch } = deps
  const { chunk, lease, journal } = turn
  const started = performance.now()
  const compose = composeFor(deps, letters, chunk.mailingId)
  const begunAt = new Float64Array(window.length)
  const poison = new Map<number, unknown>()
  /** Places whose readers have left: whether their letters were given back, or are on the wire. */
  const askedFor = new Map<number, 'given-back' | 'begun'>()
  const recording: Promise<void>[] = []
  let batch: Recorded[] = []
  let accepted = 0
  let putBack = 0

  const mayStart = () => performance.now() < beginBefore && !deps.stopping() && circuit.rest() === 0

  function open(place: number): Composed | null {
    if (!mayStart() || askedFor.has(place)) return null
    const claimed = window[place]!
    begunAt[place] = performance.now()
    try {
      const { envelope, parts, prepared, reader } = compose(claimed)
      // A process that was frozen may find its chunk in other hands by now, and this letter sent by them.
      return { envelope, parts, prepared, reader, beforeDot: () => lease.runs() && journal.dot(claimed) }
    } catch (err) {
      poison.set(place, err)
      return null
    }
  }

  function settle(place: number, outcome: Outcome): void {
    const asked = askedFor.size > 0 ? askedFor.get(place) : undefined
    if (asked !== 'given-back') keep(place, outcome)
    // Somebody waits for this one.
    if (asked === 'begun') record()
    else if (batch.length >= recordAtOnce) record()
  }

  function keep(place: number, outcome: Outcome): void {
    const claimed = window[place]!
    // Field by field: once for each letter, a rest and a spread show in a profile.
    const { relay, blocked, state, wait, reply, trouble, begun } = judge(place, claimed, outcome)
    const recorded = { subscriptionId: claimed.subscriptionId, state, wait, reply, trouble, begun }
    journal.outcome(claimed.attempt, recorded)
    if (outcome.kind === 'accepted' || outcome.kind === 'refused')
      watch.see({ address: claimed.address, ms: performance.now() - begunAt[place]!, blocked: blocked ?? null })
    if (relay !== undefined) circuit.tellTrouble(relay)
    if (!begun) putBack += 1
    if (state === 'sent') {
      accepted += 1
      circuit.tellSuccess()
    }
    batch.push(recorded)
  }

  /**
   * What has not begun does not begin any more, and is put back for the next claim to close; what has ended is recorded
   * at once, and what is on the wire as soon as it ends.
   */
  function giveBack(subscription: SubscriptionId): boolean {
    const place = window.findIndex(({ subscriptionId }) => subscriptionId === subscription)
    if (place === -1) return false
    if (askedFor.has(place)) return true
    const isBegun = begunAt[place]! > 0
    askedFor.set(place, isBegun ? 'begun' : 'given-back')
    if (!isBegun) keep(place, { kind: 'not-started' })
    record()
    return true
  }

  /** One reader whose letter cannot be made must not hold up the others: that delivery fails, with the reason. */
  function judge(place: number, { attempt, subscriptionId }: Claimed, outcome: Outcome): Verdict {
    if (!poison.has(place))
      return judgeOutcome(outcome, { attempt, curve: deps.curve, doubt: deps.doubt, chance: deps.chance() })
    const err = poison.get(place)
    deps.log.error({ err, mailing: chunk.mailingId, subscription: subscriptionId }, 'a letter could not be made')
    return judgePoison(err)
  }

  function record(): void {
    if (batch.length === 0) return
    recording.push(recordOutcomes(deps, chunk, batch))
    batch = []
  }

  const letGo = deps.inHand.take(giveBack)
  await transport.sendRow({ length: window.length, mayStart, open, settle })
  letGo()
  const ms = performance.now() - started
  record()
  await Promise.all(recording)
  return { accepted, putBack, ms }
}
