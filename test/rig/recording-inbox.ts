import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export type Received = { readonly from: string; readonly to: string; readonly raw: string; readonly mailFromAt: number }

type Refusal = { readonly code: number; readonly text: string; readonly times?: number; readonly at?: 'rcpt' | 'dot' }

export type RecordingInbox = {
  readonly url: string
  readonly received: Received[]
  /** Every letter read to its final dot, also those refused then. */
  readonly read: Received[]
  /** Answers RCPT for an address, or its letter's final dot, with `code` and text, as often as `times` says. */
  refuse(address: string, answer: Refusal): void
  /** Receiving domains that take their time to answer RCPT: in milliseconds, or until something has happened. */
  readonly slow: Map<string, number | Promise<void>>
  /** Called at each MAIL FROM, before it is answered. */
  onMailFrom: () => Promise<void>
  close(): Promise<void>
}

/** A mail host that keeps what it accepts, independent of our own client. */
export async function openRecordingInbox(): Promise<RecordingInbox> {
  const received: Received[] = []
  const read: Received[] = []
  const refusals = new Map<string, Refusal & { times: number }>()
  /** The refusal of an address that is for this moment, used once more. */
  function refusalOf(address: string, at: 'rcpt' | 'dot'): Error | null {
    const refusal = refusals.get(address)
    if (!refusal || (refusal.at ?? 'rcpt') !== at || refusal.times === 0) return null
    refusal.times -= 1
    return Object.assign(new Error(refusal.text), { responseCode: refusal.code })
  }
  const slow = new Map<string, number | Promise<void>>()
  const begun = new WeakMap<object, number>()
  const inbox: { onMailFrom: () => Promise<void> } = { onMailFrom: async () => {} }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    // It would ask the machine's DNS for the name of each connection.
    disableReverseLookup: true,
    onMailFrom(_address, session, callback) {
      begun.set(session, performance.now())
      inbox.onMailFrom().then(() => callback(), callback)
    },
    onRcptTo({ address }, _session, done) {
      const wait = slow.get(address.split('@')[1] ?? '')
      const callback: typeof done = (error) => {
        if (wait === undefined) done(error)
        else if (typeof wait === 'number') setTimeout(() => done(error), wait)
        else void wait.then(() => done(error))
      }
      callback(refusalOf(address, 'rcpt'))
    },
    onData(stream, session, callback) {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        const letter = {
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address).join(','),
          raw: Buffer.concat(parts).toString('utf8'),
          mailFromAt: begun.get(session) ?? 0,
        }
        read.push(letter)
        const refusal = refusalOf(letter.to, 'dot')
        if (refusal === null) received.push(letter)
        callback(refusal)
      })
    },
  })
  // A worker that is killed tears its connections off, which is nothing to a mail host.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return Object.assign(inbox, {
    url: `smtp://127.0.0.1:${port}`,
    received,
    read,
    slow,
    refuse: (address: string, refusal: Refusal) => {
      refusals.set(address, { ...refusal, times: refusal.times ?? Number.POSITIVE_INFINITY })
    },
    close: () => new Promise<void>((resolve) => server.close(resolve)),
  })
}
