import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { kindRules } from '../chaos/sink-rules.ts'
import { type SinkHost, serve } from '../chaos/sink-session.ts'

test('a letter given to two readers in one transaction is counted for both', async () => {
  const noted: Parameters<SinkHost['note']>[0][] = []
  const host: SinkHost = {
    signer: null,
    rules: () => kindRules(1, 0),
    mark: () => ({ seq: 1, at: 1 }),
    note: (entry) => void noted.push(entry),
    triesOf: () => 0,
  }
  const server = createServer((socket) => serve(socket, 1, host)).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write(
    [
      ...['EHLO press.example', 'MAIL FROM:<b+x@mail.example>'],
      ...['RCPT TO:<ada@readers.example>', 'RCPT TO:<ole@readers.example>'],
      ...['DATA', 'Subject: Quay', '', 'Text.', '.', 'QUIT', ''],
    ].join('\r\n'),
  )
  socket.resume()
  await once(socket, 'close')
  const accepted = noted.flatMap((entry) => (entry.is === 'accepted' ? [entry.to] : []))
  expect(accepted).toEqual(['ada@readers.example', 'ole@readers.example'])
})
