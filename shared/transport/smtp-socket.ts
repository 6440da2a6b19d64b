import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { openSharedLookup } from './smtp-lookup.ts'
import { openOutbox } from './smtp-outbox.ts'
import { garbage, incomplete, type ReplyReader, readReplies } from './smtp-reply.ts'
import type { SmtpSettings } from './smtp-url.ts'

/** What an `SmtpSocket` reports to whoever opened it. */
export type SocketEvents = {
  /** TCP stands, and TLS where it is spoken from the first byte or after `secure`. */
  onReady(): void
  onReply(code: number): void
  onGarbage(): void
  /** Every reply of the packet has been told: nothing more was said for now. */
  onPause(): void
  /** Told once, after every write has succeeded or failed. */
  onClose(detail: string): void
}

/** Owns one socket to the mail host, its TLS, and the cutting of what comes in. */
export class SmtpSocket {
  readonly outbox = openOutbox()
  readonly replies: ReplyReader = readReplies()
  /**
   * When the wait began that is under way: a whole reply came, or the system took all it was given; by a clock that only
   * goes forward. Part of a reply does not move it, or who sends a byte a second would be waited for for days.
   */
  movedAt = performance.now()
  isSecure = false
  /** The last write ended in an error: not all of its bytes have left. Only clear text can know. */
  hasFailedWrite = false

  readonly #settings: SmtpSettings
  readonly #certificates: string | null
  readonly #events: SocketEvents
  #socket: Socket
  #isWaiting = false
  #watchedFor = 0
  #hasStalled = false
  #takenAt = 0
  #detail: string | null = null

  constructor(settings: SmtpSettings, certificates: string | null, events: SocketEvents) {
    this.#settings = settings
    this.#certificates = certificates
    this.#events = events
    const tcp = connectTcp({
      host: settings.host,
      port: settings.port,
      lookup,
      noDelay: true,
      ...this.#readingPlainly(),
    })
    tcp.once('connect', () => {
      if (settings.tls === 'implicit') this.secure()
      else this.#ready()
    })
    this.#socket = tcp
    this.#listen(tcp)
  }

  /** Whether bytes handed over still wait for the system. */
  get isBlocked(): boolean {
    return this.#isWaiting
  }

  /** Sends what the outbox holds, in one write. */
  flush(): void {
    const bytes = this.outbox.take()
    this.#socket.write(bytes, this.#written)
    this.movedAt = performance.now()
    this.#isWaiting = this.#socket.writableLength > 0
    if (this.#isWaiting) this.outbox.lend()
    else this.#takenAt = this.movedAt
  }

  /** Whether the system had taken all that was last written by then, in milliseconds of `performance.now()`. */
  hadLeftBy(then: number): boolean {
    return (this.#isWaiting ? performance.now() : this.#takenAt) <= then
  }

  /**
   * Whether the system has taken nothing of what it was given for so many milliseconds, since this was first asked with that
   * limit. A large letter is one write: of how far it is only Node knows, and its timer goes by that.
   */
  hasStalled(limit: number): boolean {
    if (this.#watchedFor !== limit) this.#socket.setTimeout(limit)
    this.#watchedFor = limit
    return this.#hasStalled
  }

  /** Turns to TLS. What the host said before is not believed afterwards. */
  secure(): void {
    const tcp = this.#socket
    const secured = connectTls({ socket: tcp, ...this.#tlsOptions() })
    secured.once('secureConnect', () => {
      this.isSecure = true
      this.#ready()
    })
    this.#socket = secured
    this.#listen(secured)
  }

  /** Ends the connection without a word. The first reason given is the one reported. */
  cut(detail: string): void {
    this.#detail ??= detail
    this.#socket.destroy()
  }

  /**
   * Where no TLS will follow, replies are read into one buffer kept for it: Node would else make one of 64 KB for each
   * packet of some 100 bytes, and collecting those cost as much as everything else done for a letter.
   */
  #readingPlainly(): { onread?: OnReadOpts } {
    if (this.#settings.tls !== 'never') return {}
    const callback = (length: number, bytes: Uint8Array) => {
      this.#read(Buffer.from(bytes.buffer, bytes.byteOffset, length))
      return true
    }
    return { onread: { buffer: Buffer.allocUnsafeSlow(readingSize), callback } }
  }

  #ready(): void {
    this.movedAt = performance.now()
    this.#events.onReady()
  }

  readonly #written = (error?: Error | null): void => {
    if (error) this.hasFailedWrite = !this.isSecure
    if (!this.#isWaiting) return
    // Node reports no error for a write that was given up because the socket was destroyed meanwhile.
    if (error || this.#socket.destroyed) {
      this.hasFailedWrite = !this.isSecure
      this.#isWaiting = false
    } else {
      this.movedAt = performance.now()
      // Another write may have been given behind this one.
      this.#isWaiting = this.#socket.writableLength > 0
      if (!this.#isWaiting) {
        this.#takenAt = this.movedAt
        this.outbox.giveBack()
      }
    }
    if (!this.#isWaiting && this.#watchedFor > 0) this.#unwatch()
  }

  #unwatch(): void {
    this.#watchedFor = 0
    this.#hasStalled = false
    this.#socket.setTimeout(0)
  }

  #tlsOptions(): ConnectionOptions {
    const { host } = this.#settings
    return {
      host,
      // An address is checked against the certificate, but is no name to ask for (RFC 6066 3).
      ...(isIP(host) === 0 && { servername: host }),
      ...(this.#certificates !== null && { ca: this.#certificates }),
    }
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) this.#read(chunk)
    })
    socket.on('timeout', () => {
      this.#hasStalled = true
    })
    socket.on('error', (error) => {
      this.#detail ??= nameFault(error)
    })
    // The socket below TLS closes as well.
    socket.once('close', () => {
      if (socket === this.#socket) this.#events.onClose(this.#detail ?? 'the host closed the connection')
    })
  }

  #read(chunk: Buffer): void {
    this.replies.feed(chunk)
    let code = this.replies.next()
    if (code !== incomplete) this.movedAt = performance.now()
    for (; code !== incomplete; code = this.replies.next()) {
      if (code === garbage) {
        this.#events.onGarbage()
        return
      }
      this.#events.onReply(code)
      if (this.#socket.destroyed) return
    }
    this.#events.onPause()
  }
}

const readingSize = 16 * 1024
const lookup = openSharedLookup()

// A message may quote what was being sent; a code cannot.
function nameFault(error: Error & { code?: string }): string {
  return error.code ?? error.name
}
