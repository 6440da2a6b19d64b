import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type SecureContextOptions, TLSSocket } from 'node:tls'

/** The mail host's end of one connection, played line by line. */
export type Wire = {
  /** The next line the client says, without its CRLF. */
  hear(): Promise<string>
  /** A letter's bytes up to its final dot, dots still stuffed, one character a byte. */
  hearLetter(): Promise<string>
  /** Whether the client has said more than was heard so far. */
  hasMore(): boolean
  /** Waits until the client has closed its end. */
  hearEnd(): Promise<void>
  /** Says lines, all in one packet. */
  say(...lines: string[]): void
  /** Says bytes as they are. */
  sayRaw(bytes: string): void
  /** Leaves in the network whatever the client says, until told to read on. */
  stopReading(): void
  readOn(): void
  /** Breaks the connection with a reset. */
  cut(): void
  /** Closes the connection in order. */
  end(): void
  /** Turns to TLS as a server, taking what the client says next as its handshake. */
  secure(certificate: SecureContextOptions): Promise<void>
}

export type ScriptedHost = {
  readonly port: number
  readonly url: string
  /** The lines of commands heard on each connection, in the order they were opened. */
  readonly heard: readonly (readonly string[])[]
  /** Stops listening and breaks every connection; rethrows what went wrong in a script. */
  close(): Promise<void>
}

/** A mail host that does on each connection what `script` says. A script ends quietly when its client has gone. */
export async function playHost(script: (wire: Wire, nth: number) => Promise<void>, port = 0): Promise<ScriptedHost> {
  const heard: string[][] = []
  const sockets = new Set<Socket>()
  const faults: unknown[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    const lines: string[] = []
    const nth = heard.push(lines)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    script(playWire(socket, lines), nth).catch((fault: unknown) => {
      if (!(fault instanceof ClientGone)) faults.push(fault)
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `smtp://127.0.0.1:${bound}`,
    heard,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      if (faults.length > 0) throw faults[0]
    },
  }
}

/** Greets and answers EHLO with these offers. */
export async function welcome(wire: Wire, ...offers: string[]): Promise<void> {
  wire.say('220 host.example ESMTP')
  await answerHello(wire, ...offers)
}

export async function answerHello(wire: Wire, ...offers: string[]): Promise<void> {
  await wire.hear()
  const lines = ['host.example', ...offers]
  wire.say(...lines.map((line, at) => `250${at === lines.length - 1 ? ' ' : '-'}${line}`))
}

/** Takes one letter and returns its bytes. */
export async function takeLetter(wire: Wire, answer = '250 2.0.0 taken'): Promise<string> {
  for (const reply of ['250 sender ok', '250 recipient ok', '354 go on']) {
    await wire.hear()
    wire.say(reply)
  }
  const letter = await wire.hearLetter()
  wire.say(answer)
  return letter
}

/** Takes letters until the client says QUIT or goes. */
export async function takeLetters(wire: Wire): Promise<void> {
  for (;;) {
    const line = await wire.hear()
    if (line === 'QUIT') {
      wire.say('221 goodbye')
      wire.end()
      return
    }
    if (line === 'DATA') {
      wire.say('354 go on')
      await wire.hearLetter()
    }
    wire.say('250 2.0.0 ok')
  }
}

class ClientGone extends Error {}

function playWire(plain: Socket, lines: string[]): Wire {
  let socket: Socket = plain
  let unread = ''
  let isGone = false
  let wake = () => {}

  const listen = (to: Socket) => {
    to.setEncoding('latin1')
    to.on('data', read)
    to.once('close', leave)
    to.on('error', leave)
  }
  const read = (text: Buffer | string) => {
    unread += String(text)
    wake()
  }
  const leave = () => {
    isGone = true
    wake()
  }
  listen(plain)

  async function hearUpTo(mark: string): Promise<string> {
    // A large letter comes in hundreds of packets; looking from its start with each takes the better part of a minute.
    let from = 0
    for (;;) {
      const at = unread.indexOf(mark, from)
      if (at !== -1) {
        const found = unread.slice(0, at)
        unread = unread.slice(at + mark.length)
        return found
      }
      if (isGone) throw new ClientGone()
      from = Math.max(0, unread.length - mark.length + 1)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return {
    async hear() {
      const line = await hearUpTo('\r\n')
      lines.push(line)
      return line
    },
    async hearLetter() {
      // A letter without a line has its dot at the very start.
      unread = `\r\n${unread}`
      const letter = await hearUpTo('\r\n.\r\n')
      return `${letter}\r\n`.slice(2)
    },
    hasMore: () => unread !== '',
    async hearEnd() {
      while (!isGone) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    say(...said) {
      socket.write(said.map((line) => `${line}\r\n`).join(''))
    },
    sayRaw(bytes) {
      socket.write(bytes, 'latin1')
    },
    stopReading() {
      socket.pause()
    },
    readOn() {
      socket.resume()
    },
    cut() {
      plain.resetAndDestroy()
    },
    end() {
      socket.end()
    },
    async secure(certificate) {
      plain.removeAllListeners('data')
      plain.removeListener('close', leave)
      unread = ''
      const secured = new TLSSocket(plain, { isServer: true, ...certificate })
      listen(secured)
      socket = secured
    },
  }
}
