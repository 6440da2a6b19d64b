import { type HandOver, type HandOverOwner, openHandOver } from './smtp-hand-over.ts'
import type { SmtpLimits } from './smtp-limits.ts'
import { type Answer, type Dialogue, type Failure, OpeningFailure, openSession } from './smtp-opening.ts'
import { toReply } from './smtp-reply.ts'
import { SmtpSocket } from './smtp-socket.ts'
import type { SmtpSettings } from './smtp-url.ts'
import type { Phase } from './transport.ts'

export type ConnectionOptions = {
  readonly settings: SmtpSettings
  readonly certificates: string | null
  readonly clientName: string
  readonly limits: SmtpLimits
}

/** What a connection asks of and reports to the pool it belongs to. */
export type ConnectionOwner = Omit<HandOverOwner, 'onAnswered'> & {
  onOpened(connection: SmtpConnection): void
  onFirstAnswer(): void
  /** Whether a connection that carries no letter is one too many. */
  isSurplus(): boolean
  onIdle(connection: SmtpConnection): void
  onClosed(connection: SmtpConnection, end: ConnectionEnd): void
}

export type ConnectionEnd =
  | { readonly kind: 'never-opened'; readonly failure: Failure }
  /** It opened, and broke before it had answered one letter. */
  | { readonly kind: 'barren'; readonly failure: Failure }
  | { readonly kind: 'broken'; readonly detail: string }
  | { readonly kind: 'done' }

type State = 'opening' | 'busy' | 'idle' | 'quitting' | 'ended'

/** One connection from the first SYN to the last: opens a session, hands over letters, idles, takes its leave. */
export class SmtpConnection {
  readonly startedAt = performance.now()
  readonly #owner: ConnectionOwner
  readonly #options: ConnectionOptions
  readonly #socket: SmtpSocket
  #state: State = 'opening'
  #phase: Phase = 'connect'
  #question: { resolve: (answer: Answer | null) => void; reject: (failure: OpeningFailure) => void } | null = null
  #failure: Failure | null = null
  #handOver: HandOver | null = null
  #hasAnswered = false
  #wasCut = false

  constructor(owner: ConnectionOwner, options: ConnectionOptions) {
    this.#owner = owner
    this.#options = options
    this.#socket = new SmtpSocket(options.settings, options.certificates, {
      onReady: () => this.#answer(null),
      onReply: (code) => this.#read(code),
      onGarbage: () => this.cut('the host said something that is no SMTP reply'),
      onPause: () => {
        if (this.#state === 'busy' && this.#handOver?.isFree()) this.begin()
      },
      onClose: (detail) => this.#close(detail),
    })
    void this.#open()
  }

  /** Whether it could take a letter: one about to close cannot. */
  get isIdle(): boolean {
    return this.#state === 'idle' && !this.#wasCut
  }

  get isLoggingIn(): boolean {
    return this.#state === 'opening' && this.#phase === 'auth'
  }

  get isLeaving(): boolean {
    return this.#state === 'quitting'
  }

  /** Whether its letter keeps it waiting while others come and go. */
  get stands(): boolean {
    return this.#handOver?.stands() ?? false
  }

  /** Takes a letter from the row, if one may start. Only for a connection that carries none. */
  begin(): void {
    if (this.#owner.isSurplus()) {
      this.quit()
      return
    }
    if (this.#handOver?.begin()) {
      this.#state = 'busy'
    } else {
      this.#state = 'idle'
      this.#owner.onIdle(this)
    }
  }

  /** Takes leave of the host. Only for a connection that carries no letter. */
  quit(): void {
    this.#state = 'quitting'
    this.#socket.outbox.text('QUIT\r\n')
    this.#socket.flush()
  }

  cut(detail: string): void {
    this.#wasCut = true
    this.#socket.cut(detail)
  }

  /** Ends a wait that has lasted too long, and gives back a connection nobody has needed for a while. */
  sweep(now: number): void {
    const waited = now - this.#socket.movedAt
    if (this.#socket.isBlocked ? !this.#isBlockedTooLong(waited) : waited < this.#patience()) return
    if (this.#state === 'idle') this.quit()
    else this.cut('the host took too long')
  }

  #isBlockedTooLong(waited: number): boolean {
    const { block, closing } = this.#options.limits
    // Four of these are less than what a process may take to end.
    const [most, standing] = this.#owner.isClosing() ? [4 * closing, Math.min(block, closing)] : [10 * block, block]
    return waited >= most || this.#socket.hasStalled(standing)
  }

  #patience(): number {
    const { limits } = this.#options
    if (this.#state === 'busy' && this.#handOver) return this.#handOver.patience()
    if (this.#state === 'idle') return limits.idle
    if (this.#state === 'quitting') return limits.quit
    return this.#phase === 'connect' || this.#phase === 'greeting' ? limits[this.#phase] : limits.opening
  }

  async #open(): Promise<void> {
    const { settings, clientName, limits } = this.#options
    try {
      await this.#next()
      const offers = await openSession(this.#dialogue(), settings, clientName)
      this.#handOver = openHandOver(
        { socket: this.#socket, offers, limits },
        {
          takeNext: (offered) => this.#owner.takeNext(offered),
          onAnswered: () => this.#noteAnswer(),
          isClosing: () => this.#owner.isClosing(),
          onLost: (errand, outcome) => this.#owner.onLost(errand, outcome),
        },
      )
    } catch (error) {
      this.#failure = error instanceof OpeningFailure ? error.failure : this.#failed(String(error)).failure
      this.cut('no session')
      return
    }
    this.#owner.onOpened(this)
    this.begin()
  }

  #dialogue(): Dialogue {
    return {
      ask: async (phase, line) => {
        this.#phase = phase
        if (line !== null) {
          this.#socket.outbox.text(`${line}\r\n`)
          this.#socket.flush()
        }
        return (await this.#next())!
      },
      secure: async () => {
        // Bytes sent along with the 220 would otherwise be read as if they had come through TLS (CVE-2011-0411).
        if (this.#socket.replies.holdsBytes()) throw this.#failed('the host spoke before TLS')
        this.#socket.secure()
        await this.#next()
      },
    }
  }

  /** The next reply, or null once the socket is ready. */
  #next(): Promise<Answer | null> {
    return new Promise((resolve, reject) => {
      this.#question = { resolve, reject }
    })
  }

  #answer(answer: Answer | null): void {
    const question = this.#question
    this.#question = null
    // Between two questions the word is ours.
    if (question) question.resolve(answer)
    else this.cut('the host answered out of turn')
  }

  #read(code: number): void {
    if (this.#state === 'opening') {
      const lines = this.#socket.replies.lines()
      this.#answer({ reply: toReply(code, lines), lines })
    } else if (this.#state === 'quitting') {
      this.cut('goodbye')
    } else {
      // An idle connection may be ended with 421 at any time (RFC 5321 3.8), which is read as out of turn, too.
      const reason = this.#handOver!.read(code)
      if (reason !== null) this.cut(reason)
    }
  }

  #noteAnswer(): void {
    if (this.#hasAnswered) return
    this.#hasAnswered = true
    this.#owner.onFirstAnswer()
  }

  #close(detail: string): void {
    const state = this.#state
    this.#state = 'ended'
    if (state === 'opening') {
      const failure = this.#failure ?? this.#failed(detail).failure
      this.#question?.reject(new OpeningFailure(failure))
      this.#owner.onClosed(this, { kind: 'never-opened', failure })
    } else if (state === 'busy') {
      const phase = this.#handOver!.breakOff(detail, this.#wasCut)
      // For the letters that wait it is as if there had been no connection: theirs has not come as far as this one's.
      const failure: Failure = { kind: 'unreachable', phase: 'connect', detail: `${detail}, at ${phase}` }
      this.#owner.onClosed(this, this.#hasAnswered ? { kind: 'broken', detail } : { kind: 'barren', failure })
    } else {
      this.#owner.onClosed(this, { kind: 'done' })
    }
  }

  #failed(detail: string): OpeningFailure {
    return new OpeningFailure({ kind: 'unreachable', phase: this.#phase, detail })
  }
}
