import { createPublicKey } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { wallClock } from './journal.ts'
import type { SinkRules } from './sink-rules.ts'
import { type SinkHost, serve } from './sink-session.ts'

/*
 * The mail host of a chaos run, a process of its own that shares no code with what it judges: bytes from a socket,
 * answers by seeded rule, and every event appended to a journal.
 */
export type SinkOrder =
  | { readonly rules: SinkRules }
  | { readonly left: string }
  | { readonly replaced: { readonly mailing: string; readonly title: string } }
  | { readonly stopped: string }
  | { readonly resumed: string }
  | { readonly flush: true }
export type SinkNews = { readonly port: number } | { readonly flushed: true }

const [path, given, signer] = process.argv.slice(2) as [string, string, string?]
const file = openSync(path, 'a')
let rules = JSON.parse(given) as SinkRules
let seq = 0
let connections = 0
let lines: string[] = []
const tries = new Map<string, number>()

const mark = () => {
  seq += 1
  return { seq, at: wallClock() }
}
const note: SinkHost['note'] = (entry, place = mark()) => {
  if (lines.length === 0) setTimeout(flush, 5)
  lines.push(`${JSON.stringify({ ...place, ...entry })}\n`)
}
const host: SinkHost = {
  rules: () => rules,
  signer: signer ? createPublicKey(signer) : null,
  mark,
  note,
  triesOf: (letter) => {
    const before = tries.get(letter) ?? 0
    tries.set(letter, before + 1)
    return before
  },
}

function flush(): void {
  if (lines.length > 0) writeSync(file, lines.join(''))
  lines = []
}

const server = createServer((socket) => {
  connections += 1
  serve(socket, connections, host)
})
server.listen(0, '127.0.0.1', 1024, () => tell({ port: (server.address() as AddressInfo).port }))

const tell = (news: SinkNews) => process.send?.(news)

process.on('message', (order: SinkOrder) => {
  if ('rules' in order) rules = order.rules
  else if ('left' in order) note({ is: 'left', to: order.left })
  else if ('replaced' in order) note({ is: 'replaced', to: '', ...order.replaced })
  else if ('stopped' in order) note({ is: 'stopped', to: '', mailing: order.stopped })
  else if ('resumed' in order) note({ is: 'resumed', to: '', mailing: order.resumed })
  else {
    flush()
    tell({ flushed: true })
  }
})
process.once('disconnect', () => {
  flush()
  process.exit()
})
