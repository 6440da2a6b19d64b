import type { Claimed, HeldChunk, Recorded, Window } from '../../shared/delivery/delivery.ts'
import { domainOf } from '../../shared/delivery/pace.ts'
import type { Log } from '../../shared/log/log.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'
import type { Outcome } from '../../shared/transport/transport.ts'
import { type ComposeDeps, composeFor } from './compose.ts'
import type { Domain, DomainWatch } from './domain-watch.ts'
import type { HandOverJournal } from './hand-over-journal.ts'
import type { HeldLease } from './held-leases.ts'
import { type JudgeDeps, judgeOutcome, judgePoison, judgeStood, type Verdict } from './judge-outcome.ts'
import type { LettersInHand } from './letters-in-hand.ts'
import type { LettersOf } from './prepared-letters.ts'
import type { ReceivingDomains } from './receiving-domains.ts'
import { type RecordDeps, recordOutcomes } from './record-outcomes.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import { saysNowhere } from './reply-rules.ts'
import type { Composed, LetterTransport } from './signing-transport.ts'
import type { UnfitLetters } from './unfit-letters.ts'

export type HandOverDeps = ComposeDeps &
  RecordDeps &
  JudgeDeps & {
    readonly log: Log
    readonly transport: LetterTransport
    readonly circuit: RelayCircuit
    readonly watch: DomainWatch
    readonly unfit: UnfitLetters
    readonly receivingDomains: ReceivingDomains
    readonly inHand: LettersInHand
    /** True once the process is to stop: what is begun is finished, nothing more is claimed. */
    readonly stopping: () => boolean
  }

/** One turn at a chunk: by what right, and where it is written down how far its letters are. */
export type Turn = {
  readonly chunk: HeldChunk
  readonly lease: HeldLease
  readonly journal: HandOverJournal
  /** The hours of its claims, as PostgreSQL writes them: of those whose answers came. */
  readonly heard: string[]
  /** The last claim came to nothing: somebody kept what it had to lock, or its answer came too late for a letter to begin. */
  wasInVain: boolean
}

export type HandedOver = {
  readonly accepted: number
  /** Letters that the mail host accepted or refused. */
  readonly answered: number
  readonly putBack: number
  /** Letters not begun because their domain stands. */
  readonly stood: number
  /** Letters that came to nothing by trouble with the mail host. */
  readonly spared: number
  /**
   * How long the mail host took. Were our own bookkeeping counted in, a busy database would shrink the windows, and small
   * windows make it busier still.
   */
  readonly ms: number
  /** Resolves when the last letters are recorded, where some keep the mail host longer than the others; null: none does. */
  readonly rest: Promise<void> | null
}

/** Outcomes recorded at once: so many that the statement's cost is shared. */
const recordAtOnce = 500
/** Once all have begun and none has ended for so many milliseconds, those still under way are not waited for. */
const quietFor = 50
/** Seconds after which a letter comes again that was not begun because its domain stands. */
const restOfStanding = 1

/** Gives a window of letters to the mail host, those that begin before `beginBefore`, and records what becomes of each. */
export async function handOver(
  deps: HandOverDeps,
  turn: Turn,
  letters: LettersOf,
  { letters: window, claimedAt }: Window,
  beginBefore: number,
): Promise<HandedOver> {
  const { circuit, transport, watch } = deps
  const { chunk, lease, journal } = turn
  const started = performance.now()
  const compose = composeFor(deps, letters, chunk.mailingId)
  const begunAt = new Float64Array(window.length)
  /** The domain of each letter under way. */
  const domains: (Domain | undefined)[] = new Array(window.length)
  /** Places whose domains stood when their turn came. */
  const stood = new Set<number>()
  const poison = new Map<number, unknown>()
  /** 1: what became of it is known. A later window of the same turn may have it in hand again. */
  const isOver = new Uint8Array(window.length)
  /** Places whose readers have left: whether their letters were given back, or are on the wire. */
  const askedFor = new Map<number, 'given-back' | 'begun'>()
  const recording: Promise<void>[] = []
  /** What DNS is asked about. */
  const questions: Promise<void>[] = []
  let batch: Recorded[] = []
  let accepted = 0
  let answered = 0
  let putBack = 0
  let spared = 0
  let notBegun = window.length
  let isResting = false
  let quiet: NodeJS.Timeout | null = null
  let tellQuiet = () => {}
  const untilQuiet = new Promise<false>((resolve) => {
    tellQuiet = () => resolve(false)
  })

  const mayStart = () => performance.now() < beginBefore && !deps.stopping() && circuit.rest() === 0

  const mayStillStart = (place: number) => mayStart() && !askedFor.has(place)

  function open(place: number): Composed | null {
    if (!mayStillStart(place)) return null
    const claimed = window[place]!
    const domain = domains[place] ?? watch.of(claimed.address)
    if (domains[place] === undefined) {
      if (domain.stands()) {
        stood.add(place)
        return null
      }
      begin(place, domain)
    }
    try {
      const { envelope, parts, prepared, reader } = compose(claimed)
      // A process that was frozen may find its chunk in other hands by now, and this letter sent by them: also one that was frozen
      // while it wrote the line, which then came too late for whoever has read the journal.
      const beforeDot = () => !askedFor.has(place) && lease.runs() && journal.dot(claimed) && lease.runs()
      const stands = () => domain.stands() || watch.hangs(begunAt[place]!)
      return { envelope, parts, prepared, reader, beforeDot, stands }
    } catch (err) {
      poison.set(place, err)
      return null
    }
  }

  function begin(place: number, domain: Domain): void {
    const now = performance.now()
    begunAt[place] = now
    domains[place] = domain
    domain.begin(now)
    countBegun()
  }

  function countBegun(): void {
    notBegun -= 1
    if (notBegun === 0) quiet = setTimeout(tellQuiet, quietFor)
  }

  function settle(place: number, outcome: Outcome): void {
    if (begunAt[place] === 0) countBegun()
    quiet?.refresh()
    if (outcome.kind === 'refused' && saysNowhere(outcome.phase, outcome.reply)) questions.push(ask(place, outcome))
    else settleFor(place, outcome)
  }

  /** Whether there is such a domain is for DNS to say, in its time, which is not the domain's. */
  async function ask(place: number, outcome: Outcome): Promise<void> {
    domains[place]?.end(performance.now(), null)
    domains[place] = undefined
    settleFor(place, outcome, await deps.receivingDomains.isNowhere(domainOf(window[place]!.address)))
  }

  function settleFor(place: number, outcome: Outcome, isNowhere = false): void {
    const asked = askedFor.size > 0 ? askedFor.get(place) : undefined
    if (asked !== 'given-back') keep(place, outcome, isNowhere)
    // Somebody waits for this one.
    if (asked === 'begun' || isResting) record()
    else if (batch.length >= recordAtOnce) record()
  }

  function keep(place: number, outcome: Outcome, isNowhere = false): void {
    const claimed = window[place]!
    isOver[place] = 1
    // Field by field: once for each letter, a rest and a spread show in a profile.
    const verdict = judge(place, claimed, outcome, isNowhere)
    const { state, wait, reply, trouble, begun } = verdict
    const recorded = { subscriptionId: claimed.subscriptionId, state, wait, reply, trouble, begun }
    journal.outcome(claimed.attempt, recorded)
    const isAnswered = outcome.kind === 'accepted' || outcome.kind === 'refused'
    if (isAnswered) {
      answered += 1
      if (outcome.kind === 'refused') circuit.tellAnswer()
    }
    const domain = domains[place]
    if (domain !== undefined) {
      const now = performance.now()
      domain.end(now, isAnswered ? { ms: now - begunAt[place]!, blocked: verdict.blocked ?? null } : null)
    }
    if (!begun) putBack += 1
    if (verdict.relay !== undefined) circuit.tellTrouble(verdict.relay)
    if (verdict.throttled !== undefined) circuit.tellThrottled(verdict.throttled)
    else if (!begun && outcome.kind !== 'not-started') spared += 1
    if (state === 'sent') {
      accepted += 1
      circuit.tellSuccess()
    } else if (verdict.unfit !== undefined) deps.unfit.tell({ mailing: chunk.mailingId }, verdict.unfit)
    batch.push(recorded)
  }

  /**
   * What has not begun does not begin any more, and is put back for the next claim to close; what has ended is recorded
   * at once, and what is on the wire as soon as it ends.
   */
  function giveBack(subscription: SubscriptionId): boolean {
    const place = window.findIndex(({ subscriptionId }) => subscriptionId === subscription)
    if (place === -1) return false
    if (isOver[place] === 1) {
      record()
      return false
    }
    if (askedFor.has(place)) return true
    const isBegun = begunAt[place]! > 0
    askedFor.set(place, isBegun ? 'begun' : 'given-back')
    if (!isBegun) keep(place, { kind: 'not-started' })
    record()
    return true
  }

  /** One reader whose letter cannot be made must not hold up the others: that delivery fails, with the reason. */
  function judge(place: number, claimed: Claimed, outcome: Outcome, isNowhere: boolean): Verdict {
    if (stood.has(place)) return judgeStood(restOfStanding)
    const { attempt, address } = claimed
    const { curve, doubt } = deps
    const given = { attempt, curve, doubt, chance: deps.chance(), isNowhere, host: circuit, address }
    if (!poison.has(place)) return judgeOutcome(outcome, given)
    const err = poison.get(place)
    deps.log.error(
      { err, mailing: chunk.mailingId, subscription: claimed.subscriptionId },
      'a letter could not be made',
    )
    return judgePoison(err)
  }

  function record(): void {
    if (batch.length === 0) return
    recording.push(recordOutcomes(deps, chunk, batch, claimedAt))
    batch = []
  }

  const letGo = deps.inHand.take(giveBack)
  const whole = transport.sendRow({ length: window.length, until: beginBefore, mayStart: mayStillStart, open, settle })
  const isWhole = await Promise.race([whole.then(() => true), untilQuiet])
  clearTimeout(quiet ?? undefined)
  quiet = null
  const ms = performance.now() - started
  isResting = true
  record()
  await Promise.all(recording)
  const end = async () => {
    await whole
    await Promise.all(questions)
    letGo()
    await Promise.all(recording)
  }
  if (!isWhole || questions.length > 0)
    return { accepted, answered, putBack, stood: stood.size, spared, ms, rest: end() }
  await end()
  return { accepted, answered, putBack, stood: stood.size, spared, ms, rest: null }
}
