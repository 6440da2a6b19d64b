import { type AddressInfo, createServer } from 'node:net'
import { kindRules } from '../chaos/sink-rules.ts'
import { serve } from '../chaos/sink-session.ts'

/** A mail host that takes everything and counts; so light that several of them cost a test next to nothing. */
export type CountingHost = {
  readonly url: string
  /** Milliseconds it takes over a letter, about; may be changed while letters come. */
  pace: number
  /** Subject → address → copies it has taken. */
  readonly copies: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Letters of this subject it has taken. */
  taken(subject: string): number
  close(): Promise<void>
}

export async function openCountingHost(pace: number): Promise<CountingHost> {
  const copies = new Map<string, Map<string, number>>()
  const taken = new Map<string, number>()
  let connections = 0
  let seq = 0
  const server = createServer((socket) => {
    connections += 1
    serve(socket, connections, {
      rules: () => kindRules(1, opened.pace),
      signer: null,
      mark: () => {
        seq += 1
        return { seq, at: 0 }
      },
      note: (entry) => {
        if (entry.is !== 'accepted') return
        const readers = copies.get(entry.subject) ?? new Map<string, number>()
        copies.set(entry.subject, readers.set(entry.to, (readers.get(entry.to) ?? 0) + 1))
        taken.set(entry.subject, (taken.get(entry.subject) ?? 0) + 1)
      },
      triesOf: () => 0,
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
  const opened = {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pace,
    copies,
    taken: (subject: string) => taken.get(subject) ?? 0,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
  return opened
}
