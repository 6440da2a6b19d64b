import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

export type Received = { readonly from: string; readonly to: string; readonly raw: string; readonly mailFromAt: number }

export type RecordingInbox = {
  readonly url: string
  readonly received: Received[]
  /** Answers RCPT for an address with `code` and text, as often as `times` says. */
  refuse(address: string, answer: { code: number; text: string; times?: number }): void
  /** Receiving domains that take their time to answer RCPT: in milliseconds, or until something has happened. */
  readonly slow: Map<string, number | Promise<void>>
  /** Called at each MAIL FROM, before it is answered. */
  onMailFrom: () => Promise<void>
  close(): Promise<void>
}

/** A mail host that keeps what it accepts, independent of our own client. */
export async function openRecordingInbox(): Promise<RecordingInbox> {
  const received: Received[] = []
  const refusals = new Map<string, { code: number; text: string; times: number }>()
  const slow = new Map<string, number | Promise<void>>()
  const begun = new WeakMap<object, number>()
  const inbox: { onMailFrom: () => Promise<void> } = { onMailFrom: async () => {} }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
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
      const refusal = refusals.get(address)
      if (!refusal || refusal.times === 0) return callback()
      refusal.times -= 1
      callback(Object.assign(new Error(refusal.text), { responseCode: refusal.code }))
    },
    onData(stream, session, callback) {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        received.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address).join(','),
          raw: Buffer.concat(parts).toString('utf8'),
          mailFromAt: begun.get(session) ?? 0,
        })
        callback()
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
    slow,
    refuse: (
      address: string,
      { code, text, times = Number.POSITIVE_INFINITY }: { code: number; text: string; times?: number },
    ) => {
      refusals.set(address, { code, text, times })
    },
    close: () => new Promise<void>((resolve) => server.close(resolve)),
  })
}
