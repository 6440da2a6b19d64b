import { mailCommand, type Offers, rcptCommand } from './smtp-commands.ts'
import type { Errand } from './smtp-errand.ts'
import type { SmtpLimits } from './smtp-limits.ts'
import { toReply } from './smtp-reply.ts'
import type { SmtpSocket } from './smtp-socket.ts'
import type { Outcome, Phase, Reply } from './transport.ts'

/** Where a hand-over gets its letters, and whom it tells what it cannot tell the letter itself. */
export type HandOverOwner = {
  /** The next letter that this host can take and that may start now: its MAIL FROM is written at once. */
  takeNext(offers: Offers): Errand | null
  /** The host has answered a letter with something else than 421. */
  onAnswered(): void
  /** Whether no letter is to begin any more, and none that has is waited for as long as usual. */
  isClosing(): boolean
  /** The host ended the connection in place of answering this letter's MAIL FROM. */
  onLost(errand: Errand, outcome: Outcome): void
}

/**
 * Carries letter after letter over one open session. With PIPELINING a letter costs two writes: `MAIL FROM … DATA` as
 * one group, and its bytes; where another letter waits, that one's commands leave together with the bytes
 * (RFC 2920 3.1). What becomes of a letter is told as soon as the reply that decides it has come and the replies to the
 * rest of its group have been read.
 */
export type HandOver = {
  /** Takes a letter and writes its commands; false when none may start. */
  begin(): boolean
  /** Whether no reply is awaited. */
  isFree(): boolean
  /** Whether the letter under way keeps it waiting while others come and go. */
  stands(): boolean
  /** Reads one reply. Returns why the connection must end now, or null. */
  read(code: number): string | null
  /** How long the reply awaited may take. */
  patience(): number
  /** The connection is gone: tells the letters under way. `wasCut`: by us, not by the host. Returns the phase reached. */
  breakOff(detail: string, wasCut: boolean): Phase
}

// Which reply is awaited. `lone-dot` ends a message for which no recipient was accepted (RFC 2920 3.1): whatever the
// host answers to it, 250 included, nothing was handed over.
type Step = 'mail' | 'rcpt' | 'data' | 'dot' | 'lone-dot'

const outOfTurn = 'the host answered out of turn'

export function openHandOver(
  { socket, offers, limits }: { socket: SmtpSocket; offers: Offers; limits: SmtpLimits },
  owner: HandOverOwner,
): HandOver {
  const { outbox } = socket
  const { pipelining } = offers
  /** The letter whose replies come next, and the one whose commands were written after its dot. */
  let current: Errand | null = null
  let behind: Errand | null = null
  let step: Step = 'mail'
  /** The answer that decided about `current` while replies to its group are still to come. */
  let refusal: Outcome | null = null
  let isMailAccepted = false
  /** The commands of `current` left later than it might begin: the process was stopped in between, or the host took no more. */
  let isLate = false
  let isResetting = false
  let hasAnswered = false
  let dotAt = 0
  let isPrompt = false

  function begin(): boolean {
    current = owner.takeNext(offers)
    if (!current) return false
    say(pipelining ? group(current) : mail(current))
    return true
  }

  function read(code: number): string | null {
    if (isResetting) return readReset(code)
    if (!current) return outOfTurn
    if (code === 421) return endEarly(current)
    switch (step) {
      case 'mail':
        return readMail(current, code)
      case 'rcpt':
        return readRcpt(current, code)
      case 'data':
        return readData(current, code)
      case 'dot':
        return readDot(current, code)
      case 'lone-dot':
        return settleOpen(current, refusal!)
    }
  }

  // 421 answers this letter, and is the last the host says here (RFC 5321 3.8). To MAIL FROM of a connection that has
  // carried letters it says that these were enough: the next one goes another way.
  function endEarly(errand: Errand): string {
    const outcome = refusal ?? refused(phaseOf(step), 421)
    current = null
    if (step === 'mail' && hasAnswered) owner.onLost(errand, outcome)
    else settleErrand(errand, outcome)
    return 'the host ended the connection with 421'
  }

  function readReset(code: number): string | null {
    isResetting = false
    return isPositive(code) ? null : 'the host refused RSET'
  }

  function readMail(errand: Errand, code: number): string | null {
    if (!isPositive(code) && code < 400) return outOfTurn
    isMailAccepted = isPositive(code)
    // Nothing has been written since.
    isLate = !socket.hadLeftBy(errand.row.until)
    if (!isMailAccepted) refusal = refused('mail', code)
    if (pipelining || isMailAccepted) {
      step = 'rcpt'
      if (!pipelining) say(rcptCommand(errand.letter.envelope, offers))
      return null
    }
    return settle(errand, refusal!)
  }

  function readRcpt(errand: Errand, code: number): string | null {
    if (!isPositive(code) && code < 400) return outOfTurn
    if (!isPositive(code)) refusal ??= refused('rcpt', code)
    if (pipelining || !refusal) {
      step = 'data'
      if (!pipelining) say('DATA\r\n')
      return null
    }
    return settleOpen(errand, refusal)
  }

  function readData(errand: Errand, code: number): string | null {
    if (code >= 400) return settleOpen(errand, refusal ?? refused('data', code))
    if (code !== 354) return outOfTurn
    if (refusal) {
      step = 'lone-dot'
      say('.\r\n')
      return null
    }
    const { beforeDot } = errand.letter
    if (isLate || (beforeDot && !beforeDot())) return giveUp(errand)
    writeLetter(errand)
    return null
  }

  function giveUp(errand: Errand): string {
    current = null
    settleErrand(errand, { kind: 'not-started' })
    return 'a letter must not leave any more'
  }

  function writeLetter(errand: Errand): void {
    const { parts } = errand.letter
    outbox.parts(parts, errand.size)
    // A letter whose last line has no end would swallow the dot, and the next letter's commands with it.
    outbox.text(endsLine(parts) ? '.\r\n' : '\r\n.\r\n')
    step = 'dot'
    if (pipelining && isPrompt) behind = owner.takeNext(offers)
    if (behind) outbox.text(group(behind))
    socket.flush()
    dotAt = socket.movedAt
  }

  function readDot(errand: Errand, code: number): string | null {
    if (code >= 300 && code < 400) return outOfTurn
    // What takes a letter before it has come to its end has not taken it.
    if (code < 300 && socket.isBlocked && !behind) return outOfTurn
    isPrompt = socket.movedAt - dotAt < limits.prompt
    const reply = lastReply(code)
    return settle(errand, code < 300 ? { kind: 'accepted', reply } : { kind: 'refused', phase: 'dot', reply })
  }

  // The host may still hold the transaction open. The next letter waits until it is ended: asked whether it may start,
  // it must not have another answer to wait for.
  function settleOpen(errand: Errand, outcome: Outcome): null {
    isResetting = isMailAccepted || step === 'lone-dot'
    settle(errand, outcome)
    if (isResetting) say('RSET\r\n')
    return null
  }

  function settle(errand: Errand, outcome: Outcome): null {
    current = behind
    behind = null
    step = 'mail'
    refusal = null
    isMailAccepted = false
    hasAnswered = true
    owner.onAnswered()
    settleErrand(errand, outcome)
    return null
  }

  function breakOff(detail: string, wasCut: boolean): Phase {
    const phase = phaseOf(step)
    if (current) settleBroken(current, detail, wasCut)
    if (behind) owner.onLost(behind, { kind: 'unreachable', phase: 'mail', detail })
    current = null
    behind = null
    return phase
  }

  function settleBroken(errand: Errand, detail: string, wasCut: boolean): void {
    // Where the system could not send everything, and the dot came last, the host has not seen the dot.
    const isUnsent = step === 'dot' && socket.hasFailedWrite && !behind
    if (refusal) {
      settleErrand(errand, refusal)
    } else if (step === 'dot' && !isUnsent) {
      settleErrand(errand, { kind: 'in-doubt', detail })
    } else if (wasCut && owner.isClosing()) {
      settleErrand(errand, { kind: 'not-started' })
    } else {
      const outcome: Outcome = { kind: 'unreachable', phase: isUnsent ? 'data' : phaseOf(step), detail }
      // A host may give up an idle connection in the moment we write to it: no fault, and no answer.
      if (outcome.phase === 'mail' && !wasCut) owner.onLost(errand, outcome)
      else settleErrand(errand, outcome)
    }
  }

  // A worker that ends with a letter in hand leaves it in doubt to one that cannot read its journal.
  function patience(): number {
    const usual = limits[phaseOf(step)]
    return step !== 'dot' && owner.isClosing() ? Math.min(usual, limits.closing) : usual
  }

  const stands = () => current?.letter.stands?.() ?? false
  const mail = (errand: Errand) => mailCommand(errand.letter.envelope, errand.size, offers)
  const group = (errand: Errand) => `${mail(errand)}${rcptCommand(errand.letter.envelope, offers)}DATA\r\n`
  const lastReply = (code: number): Reply => toReply(code, socket.replies.lines())
  const refused = (phase: Phase, code: number): Outcome => ({ kind: 'refused', phase, reply: lastReply(code) })

  function say(words: string): void {
    outbox.text(words)
    socket.flush()
  }

  return { begin, isFree: () => current === null && !isResetting, stands, read, patience, breakOff }
}

const isPositive = (code: number) => code >= 200 && code < 300

function phaseOf(step: Step): Exclude<Step, 'lone-dot'> {
  return step === 'lone-dot' ? 'dot' : step
}

function endsLine(parts: Errand['letter']['parts']): boolean {
  const last = parts.at(-1)
  if (last === undefined) return true
  return typeof last === 'string' ? last.endsWith('\n') : last[last.length - 1] === 0x0a
}

const settleErrand = ({ row, place }: Errand, outcome: Outcome) => row.settle(place, outcome)
