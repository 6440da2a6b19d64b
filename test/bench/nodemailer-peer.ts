import { readFileSync } from 'node:fs'
import { createTransport } from 'nodemailer'
import type { PeerLetter } from './peers.ts'

/**
 * The letter we sent, sent by nodemailer as its own documentation shows a newsletter: a pool of ten, one `sendMail` a
 * reader. It is spared what we do beside it: rendering, the database, the queue. Says how many seconds it took.
 */
const [port, letters, file] = process.argv.slice(2) as [string, string, string]
const { subject, html, text, token } = JSON.parse(readFileSync(file, 'utf8')) as PeerLetter
const transport = createTransport({
  host: '127.0.0.1',
  port: Number(port),
  pool: true,
  maxConnections: 10,
  maxMessages: Number.POSITIVE_INFINITY,
  ignoreTLS: true,
})

const atOnce = 40

/** Warm as ours is: connected, and its code compiled. */
await sendAll(1_000)
const started = performance.now()
await sendAll(Number(letters))
process.stdout.write(String((performance.now() - started) / 1000))
transport.close()

/** A few for each connection at a time: a queue of everything would be its burden. */
async function sendAll(letters: number): Promise<void> {
  let next = 0
  const sendOneByOne = async () => {
    while (next < letters) await send(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, sendOneByOne))
}

function send(reader: number) {
  const own = String(reader).padStart(token.length, '0')
  return transport.sendMail({
    from: 'Havneby kommune <presse@havneby.example>',
    to: `r${reader}@d${reader % 50}.example`,
    subject,
    text: text.replaceAll(token, own),
    html: html.replaceAll(token, own),
    list: { unsubscribe: { url: `https://press.example/unsubscribe/${own}`, comment: 'x' } },
  })
}
