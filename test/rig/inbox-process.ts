import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createTransport, type Transporter } from 'nodemailer'
import { entry } from './entries.ts'

export type InboxProcess = {
  readonly child: ChildProcess
  readonly smtpPort: number
  readonly port: number
  readonly url: string
  /** A foreign sender: nodemailer, as any program would use it. */
  readonly sender: Transporter
  stop(): Promise<number | null>
}

/** The inbox as `npm start` runs it: a process of its own, told by environment, heard on standard output. */
export async function startInbox(dataDir: string, settings: Record<string, string> = {}): Promise<InboxProcess> {
  const child = spawn(process.execPath, [entry('services/standalone/inbox/main.js')], {
    env: { PATH: process.env.PATH, DATA_DIR: dataDir, INBOX_SMTP_PORT: '0', INBOX_PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const first = await Promise.race([
    once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line'),
    once(child, 'exit').then(() => null),
  ])
  if (first === null) throw new Error(complaint.trim())
  const { smtpPort, port } = JSON.parse(first[0]) as { smtpPort: number; port: number }
  const sender = createTransport({ host: '127.0.0.1', port: smtpPort, pool: true, maxConnections: 5 })
  return {
    child,
    smtpPort,
    port,
    url: `http://127.0.0.1:${port}`,
    sender,
    async stop() {
      sender.close()
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      return child.exitCode
    },
  }
}
