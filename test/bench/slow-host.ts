import { type AddressInfo, createServer, type Socket } from 'node:net'

/*
 * A mail host in a process of its own that takes two seconds over RCPT for one receiving domain, as one does that asks
 * the domain's own host whether the reader is known, and is quick for all others. Told `{ slow }`, it begins to count
 * anew; asked anything else, it tells what it has counted.
 */
export type Counted = {
  /** Letters to the other domains, and in how many milliseconds from the first to the last. */
  readonly others: number
  readonly ms: number
}

const takes = 2_000

let slow: string | null = null
let others = 0
let first = 0
let last = 0

process.on('message', (message: { slow?: string | null }) => {
  if (message.slow !== undefined) {
    slow = message.slow
    others = 0
  } else process.send!({ others, ms: last - first } satisfies Counted)
})

const server = createServer({ noDelay: true }, (socket) => {
  let text = ''
  let to = ''
  let isLetter = false
  let isThinking = false
  socket.on('error', () => {})
  socket.write('220 slow.example ESMTP\r\n')
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    read()
  })

  function read(): void {
    while (!isThinking) {
      const end = text.indexOf(isLetter ? '\r\n.\r\n' : '\r\n')
      if (end === -1) return
      const said = text.slice(0, end)
      text = text.slice(end + (isLetter ? 5 : 2))
      if (isLetter) take()
      else answer(said)
    }
  }

  function take(): void {
    isLetter = false
    if (!isSlow(to)) {
      last = performance.now()
      if (others === 0) first = last
      others += 1
    }
    say(socket, '250 2.0.0 taken')
  }

  function answer(line: string): void {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO') say(socket, '250-slow.example', '250-PIPELINING', '250-8BITMIME', '250 ENHANCEDSTATUSCODES')
    else if (verb === 'DATA') {
      isLetter = true
      say(socket, '354 go on')
    } else if (verb === 'QUIT') socket.end('221 2.0.0 goodbye\r\n')
    else if (verb === 'RCPT') name(line.slice(line.indexOf('<') + 1, line.indexOf('>')))
    else say(socket, '250 2.0.0 ok')
  }

  function name(address: string): void {
    to = address
    const tell = () => say(socket, '250 2.1.5 known')
    isThinking = isSlow(to)
    if (!isThinking) tell()
    else
      setTimeout(() => {
        isThinking = false
        tell()
        read()
      }, takes)
  }
})

const isSlow = (address: string) => slow !== null && address.endsWith(`@${slow}`)

function say(socket: Socket, ...lines: string[]): void {
  socket.write(`${lines.join('\r\n')}\r\n`)
}

server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
