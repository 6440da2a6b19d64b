import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { openLog } from '../../../shared/log/log.ts'
import { lockFolder } from '../folder-lock.ts'
import { LaunchError } from '../launch-error.ts'
import { openInboxWeb } from './inbox-web.ts'
import { openLetterStore } from './letter-store.ts'
import { openRefusalRules } from './refusal-rules.ts'
import { openSmtpDoor } from './smtp-door.ts'

const {
  INBOX_SMTP_PORT = '2525',
  INBOX_PORT = '3002',
  INBOX_KEEP = '5000',
  DATA_DIR = '.data',
  PUBLIC_URL,
} = process.env

async function main(): Promise<void> {
  // Standard output carries one line for whoever started us; the log goes to it only when something is wrong.
  const log = openLog('inbox', 'warn')
  const folder = resolve(DATA_DIR, 'inbox')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = await lockFolder(join(folder, 'inbox.lock'))
  const store = await openLetterStore({ now: () => new Date() }, folder, countFrom('INBOX_KEEP', INBOX_KEEP))
  const rules = await openRefusalRules(join(folder, 'refusals.json'))
  const smtp = await openSmtpDoor({ store, rules, log }, portFrom('INBOX_SMTP_PORT', INBOX_SMTP_PORT))
  const web = await openInboxWeb(
    { store, rules, log, smtpPort: smtp.port, publicUrl: webAddress(PUBLIC_URL) },
    portFrom('INBOX_PORT', INBOX_PORT),
  )

  let stopping = false
  async function stop(): Promise<void> {
    if (stopping) return
    stopping = true
    await smtp.close()
    await web.close()
    await rules.close()
    await store.close()
    await lock.release()
    if (process.connected) process.disconnect()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // The launcher is gone, however it went.
  process.on('disconnect', stop)
  process.stdout.write(`${JSON.stringify({ ready: true, smtpPort: smtp.port, port: web.port })}\n`)
}

function portFrom(name: string, value: string): number {
  const port = countFrom(name, value)
  if (port > 65_535) throw new LaunchError(`${name} is a port, 0 to 65535; ${value} is not.`)
  return port
}

function countFrom(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new LaunchError(`${name} is a number; "${value}" is not.`)
  return Number(value)
}

const webAddress = (url: string | undefined) => (url !== undefined && /^https?:\/\//.test(url) ? url : null)

try {
  await main()
} catch (error) {
  process.stderr.write(error instanceof LaunchError ? `${error.message}\n` : `${(error as Error).stack}\n`)
  process.exitCode = 1
}
