import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { uuidv7 } from 'uuidv7'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../services/standalone/embedded-postgres.ts'
import { insertKey } from '../../shared/newsroom/newsroom-key.sql.ts'
import type { NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import { makeSecret, sealingKeys, sealSecret } from '../../shared/newsroom/webhook-secret.ts'
import { migrate } from '../../shared/postgres/migrate.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { testSecrets } from '../given/secrets.ts'
import { signedHeaders } from '../given/webhook.ts'
import { endProgram, freePort, type RedisServer, startRedis, untilListening } from './programs.ts'

export type Installation = {
  readonly folder: string
  readonly pool: Pool
  readonly redis: RedisServer | null
  readonly database: EmbeddedPostgres
  readonly api: string
  readonly newsroom: { readonly id: string; readonly slug: string; readonly secret: string }
  startApi(env?: Record<string, string>): Promise<ChildProcess>
  /** A workers process, handing over to this mail host. */
  startWorkers(smtpUrl: string, env?: Record<string, string>): Promise<ChildProcess>
  publish(webhookId: string, body: string): Promise<{ status: number; answer: { mailing?: { id: string } } }>
  /** `keep`: the folder with the logs stays. */
  close(keep?: boolean): Promise<void>
}

type Wishes = {
  readonly redis: boolean
  readonly env?: Record<string, string>
  /** A database there is, in place of a server of its own. */
  readonly database?: EmbeddedPostgres
}

/** A whole installation of real processes, as production runs it, on free ports of this machine. */
export async function startInstallation(entries: string, wishes: Wishes): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-installation-'))
  // The database server runs as another user when we are root, and should live here all the same.
  chmodSync(folder, 0o711)
  mkdirSync(join(folder, 'redis'))
  const log = pino({ level: 'silent' })
  const database = wishes.database ?? (await startEmbeddedPostgres({ dataDir: folder, log }))
  await migrate(database.url, log)
  const pool = openPool({ url: database.url, name: 'rig', most: 5, onError: () => {} })
  const redis = wishes.redis ? await startRedis(join(folder, 'redis')) : null
  const newsroom = await givenNewsroom(pool)
  const secret = makeSecret()
  const keyId = uuidv7() as NewsroomKeyId
  await insertKey(
    pool,
    newsroom.id,
    { id: keyId, label: 'rig', sealed: sealSecret(sealingKeys(testSecrets), keyId, secret) },
    new Date(),
  )

  const port = await freePort()
  const api = `http://127.0.0.1:${port}`
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: database.url,
    ...(redis ? { REDIS_URL: redis.url } : {}),
    PUBLIC_URL: api,
    PORT: String(port),
    MAIL_DOMAIN: 'mail.example',
    SECRET_KEY: testSecrets.join(','),
    JOURNAL_DIR: join(folder, 'hand-over'),
    LOG_LEVEL: 'info',
    ...wishes.env,
  }
  const children = new Set<ChildProcess>()
  let started = 0
  const start = (name: string, entry: string, more: Record<string, string>) =>
    new Promise<ChildProcess>((resolve, reject) => {
      started += 1
      // As docs/operating.md starts them.
      const flags =
        name === 'workers' ? ['--max-semi-space-size=4', '--max-old-space-size=512', '--single-threaded-gc'] : []
      const child = spawn(process.execPath, ['--enable-source-maps', ...flags, join(entries, entry)], {
        env: { ...env, ...more },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      })
      const log = join(folder, `${name}-${started}.log`)
      const out = createWriteStream(log)
      child.stdout!.pipe(out)
      child.stderr!.pipe(out)
      children.add(child)
      // What an end long after the start means is for the test to say.
      const endsEarly = (code: number | null, signal: NodeJS.Signals | null) => {
        const tell = () => {
          const words = readFileSync(log, 'utf8').slice(-2_000)
          reject(new Error(`${name} ended with ${signal ?? code}: ${words}`))
        }
        // Its last words may have been written down before its end is heard of.
        if (out.closed) tell()
        else out.once('close', tell)
      }
      child.once('exit', endsEarly)
      child.once('exit', () => children.delete(child))
      child.once('message', () => {
        child.off('exit', endsEarly)
        resolve(child)
      })
    })

  return {
    folder,
    pool,
    redis,
    database,
    api,
    newsroom: { id: newsroom.id, slug: newsroom.slug, secret },
    startApi: async (more = {}) => {
      const child = await start('api', 'services/api/main.js', more)
      await untilListening(port)
      return child
    },
    startWorkers: (smtpUrl, more = {}) => start('workers', 'workers/main.js', { SMTP_URL: smtpUrl, ...more }),
    publish: async (webhookId, body) => {
      const response = await fetch(`${api}/webhooks/newsrooms/${newsroom.slug}/releases`, {
        method: 'POST',
        headers: signedHeaders(secret, webhookId, body),
        body,
      })
      return { status: response.status, answer: (await response.json()) as { mailing?: { id: string } } }
    },
    close: async (keep = false) => {
      await Promise.all([...children].map((child) => endProgram(child)))
      await pool.end()
      await redis?.close()
      await database.stop()
      if (!keep) rmSync(folder, { recursive: true, force: true })
    },
  }
}
