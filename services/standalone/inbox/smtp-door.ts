import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Log } from '../../../shared/log/log.ts'
import type { LetterStore } from './letter-store.ts'
import { listenFrom } from './listen-from.ts'
import type { RefusalRules } from './refusal-rules.ts'

export type SmtpDoorDeps = { readonly store: LetterStore; readonly rules: RefusalRules; readonly log: Log }
export type SmtpDoor = { readonly port: number; close(): Promise<void> }

type Done = (error?: Error | null, reply?: string) => void

const largestLetter = 20 * 1024 * 1024

/** The mail host of this machine: takes every letter from loopback, without login or TLS, and sends nothing on. */
export async function openSmtpDoor(deps: SmtpDoorDeps, port: number): Promise<SmtpDoor> {
  const server = new SMTPServer({
    name: 'inbox.localhost',
    banner: 'Pressebud local inbox',
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: largestLetter,
    // Replies to pipelined commands are small writes: Nagle's algorithm would hold them back for 40 ms each.
    noDelay: true,
    // Senders keep idle connections for the next release (RFC 5321 4.5.3.2.7 asks for five minutes).
    socketTimeout: 300_000,
    closeTimeout: 500,
    onRcptTo: (address, _session, done: Done) => done(refusalOf(deps.rules, address.address)),
    onData: (stream, session, done: Done) => takeLetter(deps, stream, session, done),
  })
  // Clients that hang up mid-word; the server goes on, and without a listener it would end the process.
  server.on('error', (error: Error) => deps.log.debug({ err: error }, 'an SMTP connection broke'))
  await listenFrom(port, (candidate) => listen(server, candidate))
  return {
    port: (server.server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function refusalOf(rules: RefusalRules, address: string): Error | null {
  const answer = rules.refuse(address)
  return answer === null ? null : reply(answer.code, answer.text)
}

function takeLetter(
  { store, log }: SmtpDoorDeps,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  done: Done,
) {
  let parts: Buffer[] = []
  const { mailFrom, rcptTo } = session.envelope
  const envelope = { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) }
  stream.on('data', (part: Buffer) => {
    // Over the limit the answer is 552 whatever follows, so nothing more has to be remembered.
    if (stream.sizeExceeded) parts = []
    else parts.push(part)
  })
  stream.on('end', () => {
    if (stream.sizeExceeded) return done(reply(552, '5.3.4 The letter is larger than this inbox takes'))
    store.add(envelope, Buffer.concat(parts)).then(
      () => done(null, '2.0.0 Kept in the local inbox'),
      (error: unknown) => {
        log.error({ err: error }, 'a letter could not be kept')
        done(reply(452, '4.3.1 The letter could not be written to disk'))
      },
    )
  })
}

const reply = (responseCode: number, text: string) => Object.assign(new Error(text), { responseCode })

function listen(server: SMTPServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      server.server.off('error', onError)
      server.server.off('listening', onListening)
      act()
    }
    const onError = (error: Error) => settle(() => reject(error))
    const onListening = () => settle(resolve)
    server.server.once('error', onError).once('listening', onListening)
    server.listen(port, '127.0.0.1')
  })
}
