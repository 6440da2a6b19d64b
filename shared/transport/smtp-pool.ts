import type { Log } from '../log/log.ts'
import { warnSeldom } from '../log/warn-seldom.ts'
import { gatherReplies } from './gather-replies.ts'
import { refuseEnvelope, refuseUnoffered } from './smtp-commands.ts'
import { type ConnectionEnd, type ConnectionOptions, type ConnectionOwner, SmtpConnection } from './smtp-connection.ts'
import { measure, openErrandQueue } from './smtp-errand.ts'
import { sweepInterval } from './smtp-limits.ts'
import { logged, openOutage } from './smtp-outage.ts'
import type { Letter, LetterRow, Outcome, Outgoing, Transport } from './transport.ts'

// A host that takes connections and drops each under its first letter is away, too. One or two in a row may be chance.
const mostBarren = 3

/** For how long a count of standing connections is good enough, in milliseconds. */
const standingAge = 50

/**
 * Opens connections as letters come, keeps them, and lets each fetch its next letter when it is free. When no
 * connection can be had the letters waiting are told so at once: their hours of patience are the ledger's.
 */
export function openSmtpPool({ log }: { log: Log }, options: ConnectionOptions & { connections: number }): Transport {
  const { limits } = options
  const waiting = openErrandQueue()
  const opening = new Set<SmtpConnection>()
  const open = new Set<SmtpConnection>()
  const idle: SmtpConnection[] = []
  const outage = openOutage(limits)
  const noteReply = gatherReplies(() => (pipelines ? open.size - idle.length - standing() : 0))
  let pipelines = false
  let barren = 0
  let counted = 0
  let countedAt = 0
  let isClosing = false
  let sweeper: NodeJS.Timeout | null = null
  let whenClosed: { promise: Promise<void>; resolve: () => void } | null = null

  function send(letter: Outgoing): Promise<Outcome> {
    return new Promise((settle) => {
      accept({
        length: 1,
        until: letter.until ?? Number.POSITIVE_INFINITY,
        open: () => (letter.mayStart() ? letter : null),
        settle: (_, outcome) => settle(outcome),
      })
    })
  }

  function sendRow(row: LetterRow): Promise<void> {
    return new Promise((resolve) => {
      let left = row.length
      if (left === 0) return resolve()
      const settle = (place: number, outcome: Outcome) => {
        row.settle(place, outcome)
        noteReply()
        left -= 1
        if (left === 0) resolve()
      }
      accept({ length: left, until: row.until, open: row.open, settle })
    })
  }

  function accept(row: LetterRow): void {
    const failure = whyNot()
    if (failure) for (let place = 0; place < row.length; place += 1) row.settle(place, failure)
    else {
      waiting.push(row)
      dispatch()
      // Nearly always the whole of a single letter is taken at once, and a timer for each would cost more than that.
      if (waiting.length > 0) dropInTime(row)
    }
  }

  /** Where every connection waits for the host, nobody asks for the next letter, and those of a row would wait on. */
  function dropInTime(row: LetterRow): void {
    if (row.until === Number.POSITIVE_INFINITY) return
    const drop = () => {
      for (const place of waiting.drop(row)) row.settle(place, notStarted)
    }
    setTimeout(drop, Math.max(0, row.until - performance.now())).unref()
  }

  function whyNot(): Outcome | null {
    if (isClosing) return notStarted
    return open.size === 0 && opening.size === 0 ? outage.current(performance.now()) : null
  }

  function dispatch(): void {
    while (waiting.length > 0 && idle.length > 0) {
      const connection = idle.pop()
      if (connection?.isIdle) connection.begin()
    }
    while (waiting.length > knocks() && mayOpen()) openConnection()
  }

  function mayOpen(): boolean {
    const all = open.size + opening.size
    if (all >= options.connections && (all >= 2 * options.connections || all - standing() >= options.connections))
      return false
    // A password that is wrong on all connections at once locks the account; so the first goes alone.
    if (!outage.isSuspected() && (open.size > 0 || options.settings.login === null)) return true
    return knocks() === 0 && outage.current(performance.now()) === null
  }

  /** Connections that are being opened, but for those a machine of the host keeps waiting before a login is sent. */
  function knocks(): number {
    if (opening.size === 0) return 0
    const since = performance.now() - limits.knock
    let young = 0
    for (const connection of opening) if (connection.isLoggingIn || connection.startedAt > since) young += 1
    return young
  }

  /**
   * Connections that a slow receiving domain keeps waiting; in place of each another may be opened. Looked at now and then:
   * it would be asked with every single letter.
   */
  function standing(): number {
    const now = performance.now()
    if (now - countedAt > standingAge) {
      countedAt = now
      counted = 0
      for (const connection of open) if (connection.stands) counted += 1
    }
    return counted
  }

  function isSurplus(): boolean {
    if (open.size <= options.connections) return false
    let busy = 0
    for (const connection of open) if (!connection.isLeaving && !connection.stands) busy += 1
    return busy > options.connections
  }

  function openConnection(): void {
    opening.add(new SmtpConnection(owner, options))
    sweeper ??= setInterval(sweep, sweepInterval(limits)).unref()
  }

  function sweep(): void {
    const now = performance.now()
    for (const connection of opening) connection.sweep(now)
    for (const connection of open) connection.sweep(now)
    // A connection may have begun to stand.
    if (waiting.length > 0) dispatch()
  }

  const owner: ConnectionOwner = {
    isSurplus,
    isClosing: () => isClosing,
    takeNext(offers) {
      pipelines = offers.pipelining
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { row, place, lost } = next
        const letter = openLetter(row, place)
        if (letter === null) {
          row.settle(place, notStarted)
          continue
        }
        const size = measure(letter)
        const reply = refuseEnvelope(letter.envelope) ?? refuseUnoffered(letter.envelope, size, offers)
        if (reply) {
          row.settle(place, { kind: 'refused', phase: 'mail', reply })
          continue
        }
        // The clock is asked last: all this takes microseconds, in which the machine may stop the process for seconds.
        if (performance.now() <= row.until) return { row, place, letter, size, lost }
        row.settle(place, notStarted)
      }
      return null
    },
    onOpened(connection) {
      opening.delete(connection)
      open.add(connection)
      // But for the letter it takes itself.
      if (open.size === 1 && waiting.length > 1) dispatch()
    },
    onFirstAnswer() {
      barren = 0
      if (outage.isSuspected()) log.info('the mail host is back')
      outage.end()
    },
    onIdle(connection) {
      if (isClosing) connection.quit()
      else idle.push(connection)
    },
    // Tried once more: the host has not taken its MAIL FROM. As often as need be where it said so, having taken others before.
    onLost(errand, outcome) {
      const { row, place } = errand
      if ((errand.lost && outcome.kind !== 'refused') || isClosing)
        return row.settle(place, isClosing ? notStarted : outcome)
      waiting.putFirst({ row, place, lost: outcome })
    },
    onClosed(connection, end) {
      opening.delete(connection)
      open.delete(connection)
      const place = idle.indexOf(connection)
      if (place !== -1) idle.splice(place, 1)
      noteEnd(connection, end)
      if (open.size + opening.size === 0) becomeEmpty()
      if (!isClosing) dispatch()
    },
  }

  function noteEnd(connection: SmtpConnection, end: ConnectionEnd): void {
    if (isClosing) return
    if (end.kind === 'done' || end.kind === 'broken') {
      if (end.kind === 'broken') warnSeldom(log, { detail: end.detail }, 'a connection to the mail host broke')
      // It was there until now, whatever became of a connection too many.
      if (open.size === 0) outage.end()
      return
    }
    if (end.kind === 'barren' && ++barren < mostBarren) return
    const now = performance.now()
    if (outage.fail(end.failure, connection.startedAt, now) === null) return
    const news = open.size > 0 ? 'the mail host takes no further connection' : 'the mail host cannot be reached'
    if (outage.isWorthTelling(news, now)) log.warn(logged(end.failure), news)
  }

  function becomeEmpty(): void {
    if (sweeper) clearInterval(sweeper)
    sweeper = null
    whenClosed?.resolve()
    const failure = outage.current(performance.now())
    if (failure) settleWaiting(failure)
  }

  function close(): Promise<void> {
    if (whenClosed) return whenClosed.promise
    isClosing = true
    let resolve = () => {}
    const promise = new Promise<void>((resolver) => {
      resolve = resolver
    })
    whenClosed = { promise, resolve }
    settleWaiting(notStarted)
    for (const connection of opening) connection.cut('no longer needed')
    for (const connection of idle.splice(0)) connection.quit()
    if (open.size + opening.size === 0) resolve()
    return promise
  }

  function settleWaiting(outcome: Outcome): void {
    for (let next = waiting.shift(); next; next = waiting.shift())
      next.row.settle(next.place, isClosing ? notStarted : (next.lost ?? outcome))
  }

  function openLetter(row: LetterRow, place: number): Letter | null {
    try {
      return row.open(place)
    } catch (err) {
      log.error({ err }, 'a letter could not say whether it may start')
      return null
    }
  }

  return { send, sendRow, close }
}

const notStarted: Outcome = { kind: 'not-started' }
