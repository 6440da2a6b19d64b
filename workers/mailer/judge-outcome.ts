import type { Recorded } from '../../shared/delivery/delivery.ts'
import type { Outcome, Phase, Reply } from '../../shared/transport/transport.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import { type Meaning, readReply } from './reply-rules.ts'
import { nextWait, type RetryCurve } from './retry-curve.ts'

/** What an attempt comes to: everything the ledger keeps of it, save whose it was. */
export type Verdict = Omit<Recorded, 'subscriptionId'> & {
  /** The trouble is between us and the mail host: no reader's attempt is spent on it, and the rest should wait. */
  readonly relay?: string
  /** The mail host takes only so many letters a second: no reader's attempt is spent on that either. */
  readonly throttled?: string
  /** The provider refused us and not the reader: its domain should be sent to more slowly. */
  readonly blocked?: string
  /** The letter was refused for its size or form, and so will those of the other readers be. */
  readonly unfit?: string
}

/** What an installation and its worker have to say on it. */
export type JudgeDeps = {
  readonly curve: RetryCurve
  readonly doubt: 'resend' | 'hold'
  /** In [0, 1). */
  readonly chance: () => number
}

export type Judgement = {
  readonly attempt: number
  readonly curve: RetryCurve
  readonly doubt: 'resend' | 'hold'
  /** In [0, 1). */
  readonly chance: number
  /** DNS, too, says that the reader's domain does not exist. */
  readonly isNowhere?: boolean
  /** What is known of the mail host; not given: that it takes nothing else. */
  readonly host?: Pick<RelayCircuit, 'takesOthers' | 'tellRefusal'>
  /** To whom the letter was. */
  readonly address?: string
}

/** The one place that says what becomes of a delivery after an attempt. */
export function judgeOutcome(outcome: Outcome, given: Judgement): Verdict {
  switch (outcome.kind) {
    case 'accepted':
      return { state: 'sent', wait: null, reply: tellReply(outcome.reply), trouble: null, begun: true }
    case 'not-started':
      return { state: 'due', wait: null, reply: null, trouble: null, begun: false }
    case 'in-doubt':
      return doubted(given, 'dot', outcome.detail)
    case 'unreachable':
      if (beforeMail.has(outcome.phase)) return { ...spared(null), relay: outcome.detail }
      return later(given, {
        reply: null,
        trouble: {
          verdict: 'deferred',
          phase: outcome.phase,
          code: null,
          enhanced: null,
          detail: cut(outcome.detail, 500),
        },
      })
    case 'refused': {
      const { phase, reply } = outcome
      const about = { phase, code: reply.code, enhanced: reply.enhanced, detail: cut(reply.text, 500) }
      const told = tellReply(reply)
      switch (decide(readReply(phase, reply), given)) {
        case 'ours': {
          const isOurs = { ...spared(told), relay: `${phase}: ${told}` }
          if (!afterMail.has(phase)) return isOurs
          // Whoever knew an address the host will not relay to could else stop everybody's letters by signing it up, and the last
          // letter of all would be offered again and again.
          const readers = given.host?.takesOthers() ? 'few' : given.host?.tellRefusal(given.address ?? '')
          if (readers === 'first') return spared(told)
          return readers === 'few' ? later(given, { reply: told, trouble: { verdict: 'deferred', ...about } }) : isOurs
        }
        case 'throttled':
          return { ...spared(told), throttled: told }
        case 'gone':
          return { state: 'bounced', wait: null, reply: told, trouble: { verdict: 'bounced', ...about }, begun: true }
        case 'ended':
          return { state: 'failed', wait: null, reply: told, trouble: { verdict: 'failed', ...about }, begun: true }
        case 'letter': {
          const trouble = { verdict: 'failed', ...about } as const
          return { state: 'failed', wait: null, reply: told, trouble, begun: true, unfit: told }
        }
        case 'blocked':
          return { ...later(given, { reply: told, trouble: { verdict: 'deferred', ...about } }), blocked: told }
        case 'wait':
          return later(given, { reply: told, trouble: { verdict: 'deferred', ...about } })
      }
    }
  }
}

/** What a refusal means, where that is not for its words alone to say. */
function decide(said: Meaning, given: Judgement): Exclude<Meaning, 'nowhere' | 'unsaid'> {
  if (said === 'nowhere') return given.isNowhere ? 'gone' : 'wait'
  if (said === 'unsaid') return given.host?.takesOthers() ? 'ended' : 'wait'
  return said
}

/** What becomes of a letter that its worker left behind, by what is known of it; `dot`: it may have been handed over. */
export function judgeAbandoned(
  letter: Pick<Recorded, 'subscriptionId'>,
  told: Recorded | 'dot' | 'unbegun',
  given: Judgement,
): Recorded {
  const { subscriptionId } = letter
  if (told === 'unbegun') return { subscriptionId, state: 'due', wait: null, reply: null, trouble: null, begun: false }
  if (told !== 'dot') return told
  const doubt = doubted(given, null, 'The worker ended before it recorded a reply.')
  return { subscriptionId, ...doubt }
}

/** What becomes of a delivery whose letter could not even be made: nobody's refusal, and no wait will mend it. */
export const judgePoison = (error: unknown): Verdict => ({
  state: 'failed',
  wait: null,
  reply: null,
  trouble: {
    verdict: 'failed',
    phase: 'compose',
    code: null,
    enhanced: null,
    detail: cut(`The letter could not be made: ${String(error)}`, 500),
  },
  begun: true,
})

/** What becomes of a letter that was not begun because its domain keeps others waiting: nobody's attempt, only time. */
export const judgeStood = (wait: number): Verdict => ({
  state: 'deferred',
  wait,
  reply: null,
  trouble: null,
  begun: false,
})

/** Before MAIL FROM was answered: a connection that breaks by then says nothing of the reader, whom nobody has named. */
const beforeMail: ReadonlySet<Phase> = new Set(['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'mail'])

const afterMail: ReadonlySet<Phase> = new Set(['rcpt', 'data', 'dot'])

const spared = (reply: string | null): Verdict => ({ state: 'due', wait: null, reply, trouble: null, begun: false })

/**
 * Sent again at once after the first try, because a line breaks now and then. A host that never answers this letter's dot may
 * have it each time: further copies go by the curve, and at its end the letter is kept for an operator.
 */
function doubted(given: Judgement, phase: Phase | null, detail: string): Verdict {
  const trouble = { verdict: 'in_doubt', phase, code: null, enhanced: null, detail: cut(detail, 500) } as const
  const told = { reply: null, trouble, begun: true }
  if (given.doubt === 'hold') return { state: 'in_doubt', wait: null, ...told }
  if (given.attempt === 1) return { state: 'due', wait: null, ...told }
  const wait = nextWait(given.curve, given.attempt, given.chance)
  return wait === null ? { state: 'in_doubt', wait, ...told } : { state: 'deferred', wait, ...told }
}

function later(given: Judgement, told: { reply: string | null; trouble: NonNullable<Verdict['trouble']> }): Verdict {
  const wait = nextWait(given.curve, given.attempt, given.chance)
  return wait === null
    ? { state: 'failed', wait: null, reply: told.reply, trouble: { ...told.trouble, verdict: 'failed' }, begun: true }
    : { state: 'deferred', wait, reply: told.reply, trouble: told.trouble, begun: true }
}

// The ledger keeps a reply as the host gave it, cut to what a desk can show.
function tellReply({ code, enhanced, text }: Reply): string {
  const codes = enhanced === null ? `${code}` : `${code} ${enhanced}`
  return cut(text === '' ? codes : `${codes} ${text}`, 200)
}

// PostgreSQL takes neither half a character in JSON, which a cut may leave, nor a NUL; and what it does not take is offered again
// and again, with all that is recorded beside it.
const cut = (text: string, most: number) => text.slice(0, most).replaceAll('\u0000', ' ').toWellFormed()
