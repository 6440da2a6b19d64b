import { createPublicKey } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { startEmbeddedPostgres } from '../../services/standalone/embedded-postgres.ts'
import { makeDkimKey } from '../../shared/dkim/dkim-key.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { type Installation, startInstallation } from '../rig/installation.ts'
import { openWrongClock, type WrongClock } from '../rig/wrong-clock.ts'
import { type CuttingProxy, type Sink, startProxy, startSink } from './bystanders.ts'
import { wallClock } from './journal.ts'
import { type Operator, openOperator } from './operator.ts'
import { openPart, type Part } from './part.ts'
import { openPostgresMachine, type PostgresMachine } from './postgres-machine.ts'
import type { Outage, Span } from './recovery.ts'
import { openRedisMachine, type RedisMachine } from './redis-machine.ts'
import { kindRules } from './sink-rules.ts'
import { type SmallDisk, tryMountDisk } from './small-disk.ts'
import { type TakeoverWatch, watchTakeovers } from './takeover.ts'

export type House = {
  readonly folder: string
  readonly journal: string
  readonly installation: Installation
  readonly pool: Pool
  readonly sink: Sink
  readonly proxy: CuttingProxy
  readonly api: Part
  readonly workers: readonly Part[]
  readonly operator: Operator
  /** The clocks on the walls of the api's machine and of each worker's. */
  readonly clocks: readonly WrongClock[]
  readonly postgres: PostgresMachine
  readonly redis: RedisMachine | null
  readonly disk: SmallDisk | null
  /** When a part was away, in the order they came back. */
  readonly outages: Outage[]
  /** When a workers process stood still, in the order they went on. */
  readonly freezes: Span[]
  readonly takeovers: TakeoverWatch
  /** Parts that ended by themselves, or did not when they were told to. */
  readonly fallen: string[]
  close(keep: boolean): Promise<void>
}

export type HouseWishes = {
  /** The compiled programs: dist, or a copy of it that has been tampered with. */
  readonly entries: string
  readonly seed: number
  readonly workers: number
  readonly queues: 'redis' | 'postgres'
  /** Milliseconds the mail host takes over a letter, about. */
  readonly pace: number
  readonly smallDisk: boolean
  /** Whether each workers process keeps a hand-over journal that the others cannot read, as on machines of their own. */
  readonly ownJournals: boolean
  /** Whether letters are signed with DKIM. */
  readonly isSigned: boolean
  /** What becomes of a letter in doubt: sent again, or kept until an operator decides. */
  readonly inDoubt: 'resend' | 'hold'
}

/**
 * Waits that a run can afford; everything else is as production has it. The window outlasts any run: a letter that is
 * given up because its mailing took too long would be no loss, and hide one.
 */
const settings = {
  RETRY_FIRST_WAIT: '1',
  RETRY_WINDOW: '3600',
  RECONCILE_EVERY: '1',
  CHUNK_SIZE: '100',
}

/** The whole of it, as production runs it, with a mail host that can misbehave and a proxy that can cut. */
export async function openHouse(wishes: HouseWishes): Promise<House> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pressebud-chaos-data-'))
  const disk = wishes.smallDisk ? tryMountDisk(dataDir) : null
  // The database server runs as another user where we are root.
  chmodSync(dataDir, 0o711)
  const database = await startEmbeddedPostgres({ dataDir, log: pino({ level: 'silent' }) })
  await migrateAs(wishes.entries, database.url)
  const installation = await startInstallation(wishes.entries, {
    ...{ redis: false, env: { ...settings, IN_DOUBT: wishes.inDoubt }, database },
  })
  const { folder } = installation
  const { pool } = installation
  const postgres = await openPostgresMachine(pool, folder)
  const redisFolder = join(dataDir, 'queues')
  mkdirSync(redisFolder)
  const redis = wishes.queues === 'redis' ? await openRedisMachine(redisFolder) : null
  const journal = join(folder, 'sink.jsonl')
  const signer = wishes.isSigned ? makeSigner(folder) : null
  const sink = await startSink(journal, kindRules(wishes.seed, wishes.pace), signer?.publicKey ?? null)
  const portOf = (url: string) => Number(new URL(url).port)
  const proxy = await startProxy({
    'mail-host': sink.port,
    database: portOf(database.url),
    // Nobody asks for it there.
    redis: redis ? portOf(redis.url) : 1,
  })
  const throughProxy = (url: string, port: number) => Object.assign(new URL(url), { port: String(port) }).href
  const env = {
    DATABASE_URL: throughProxy(database.url, proxy.ports.database),
    ...(redis ? { REDIS_URL: throughProxy(redis.url, proxy.ports.redis) } : {}),
  }
  const smtpUrl = `smtp://127.0.0.1:${proxy.ports['mail-host']}`
  const outages: Outage[] = []
  const freezes: Span[] = []
  const fallen: string[] = []
  const takeovers = watchTakeovers({ pool })
  const news = {
    onLost: takeovers.noteLoss,
    onBack: (part: string, from: number) => outages.push({ part, from, to: wallClock() }),
    onThaw: (from: number) => freezes.push({ from, to: wallClock() }),
    onFell: (part: string, how: string) => fallen.push(`${part} ${how}`),
  }
  const journalOf = (name: string): Record<string, string> =>
    wishes.ownJournals ? { JOURNAL_DIR: join(folder, `hand-over-${name}`) } : {}
  const [apiClock, ...workersClocks] = [
    'api',
    ...Array.from({ length: wishes.workers }, (_, n) => `workers-${n + 1}`),
  ].map((name) => ({ name, ...openWrongClock(wishes.entries, folder, name) }))
  // It has no mailing in hand.
  const api = await openPart('api', () => installation.startApi({ ...env, ...apiClock!.env }), {
    ...news,
    onLost: () => {},
  })
  const workers = await Promise.all(
    workersClocks.map((clock) =>
      openPart(
        clock.name,
        () =>
          installation.startWorkers(smtpUrl, { ...env, ...signer?.settings, ...clock.env, ...journalOf(clock.name) }),
        news,
      ),
    ),
  )
  return {
    folder,
    journal,
    installation,
    pool,
    sink,
    proxy,
    api,
    workers,
    operator: openOperator(wishes.entries, { DATABASE_URL: env.DATABASE_URL }),
    clocks: [apiClock!, ...workersClocks],
    postgres,
    redis,
    disk,
    outages,
    freezes,
    takeovers,
    fallen,
    close: async (keep) => {
      await takeovers.close()
      await Promise.all([api, ...workers].map((part) => part.close()))
      await sink.close()
      await proxy.close()
      await redis?.close()
      await installation.close(keep)
      await postgres.close()
      await database.stop()
      if (keep) cpSync(dataDir, join(folder, 'data'), { recursive: true })
      disk?.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** A key for the newsroom, and what makes workers sign with it. */
function makeSigner(folder: string): { readonly publicKey: string; readonly settings: Record<string, string> } {
  const file = join(folder, 'dkim.pem')
  const privateKey = makeDkimKey('rsa-sha256')
  writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  return {
    publicKey: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }) as string,
    settings: { DKIM_DOMAIN: 'havneby.example', DKIM_SELECTOR: 'chaos', DKIM_RSA_KEY_FILE: file },
  }
}

/** The schema is part of what may have been tampered with. */
async function migrateAs(entries: string, url: string): Promise<void> {
  const path = pathToFileURL(join(entries, 'shared/postgres/migrate.js')).href
  const { migrate } = (await import(path)) as typeof import('../../shared/postgres/migrate.ts')
  await migrate(url, { info: () => {}, warn: () => {} })
}
