import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { settingTable } from '../../shared/config/settings.ts'
import { orTellSettings, runProcess } from '../../shared/lifecycle/run-process.ts'
import { openLog } from '../../shared/log/log.ts'
import { migrate } from '../../shared/postgres/migrate.ts'
import { openPool } from '../../shared/postgres/pool.ts'
import { tellDatabaseFault } from '../../shared/postgres/tell-database-fault.ts'
import { tellBanner } from './banner.ts'
import { type ChildPlan, openChildProcesses } from './child-processes.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { findFreePort } from './free-port.ts'
import { keepSecret } from './kept-secret.ts'
import { LaunchError } from './launch-error.ts'
import { readLaunchSettings } from './launch-settings.ts'
import { keepSampleNewsroom } from './sample-newsroom.ts'

/*
 * `npm start`: everything on one machine, with nothing running beforehand. It starts the processes of the other rooms
 * as an operator would, with settings in their environment, and imports none of them.
 */
const root = findRoot(import.meta.dirname)
const { given, settings } = orTellSettings(() => readLaunchSettings(process.env, (path) => readFileSync(path, 'utf8')))
const dataDir = resolve(root, settings.DATA_DIR)
const say = (line: string) => process.stdout.write(`  ${line}\n`)
const log = openLog('standalone', 'silent')

async function start(): Promise<() => Promise<void>> {
  // The server's own account must be able to pass through; what is secret in it is closed by itself.
  makeFolder(dataDir)
  const database = given.DATABASE_URL ? null : await startEmbeddedPostgres({ dataDir, log, say })
  const databaseUrl = database?.url ?? settings.DATABASE_URL
  const children = openChildProcesses({
    logFolder: join(dataDir, 'logs'),
    say,
    environment: withoutSettings(process.env),
  })
  let isStopping = false
  // The processes would try for ever, each line of theirs a warning, and nobody would start it again.
  void database?.exited.then(() => {
    if (!isStopping) throw new LaunchError('Nothing goes on without PostgreSQL: start again.')
  })
  const stopAll = async () => {
    isStopping = true
    rmSync(join(dataDir, 'standalone.json'), { force: true })
    for (const name of ['workers', 'api', 'ops', 'inbox']) await children.stop(name)
    await database?.stop()
  }
  try {
    await startAll(children, databaseUrl)
  } catch (error) {
    await stopAll()
    throw error
  }
  return async () => {
    say('Stopping; letters under way are finished first.')
    await stopAll()
    say('Stopped.')
  }
}

async function startAll(children: ReturnType<typeof openChildProcesses>, databaseUrl: string): Promise<void> {
  const taken = new Set<number>()
  const port = await freePort('PORT', settings.PORT, taken)
  const opsPort = await freePort('OPS_PORT', settings.OPS_PORT, taken)
  const inboxPort = await freePort('the inbox', settings.OPS_PORT + 1, taken)
  const smtpPort = await freePort('the inbox, SMTP', 2525, taken)
  const secretKeys = given.SECRET_KEY ? settings.SECRET_KEY : keepSecret(join(dataDir, 'secret-key'))
  const secretKey = secretKeys.join(',')
  const opsPassword = given.OPS_PASSWORD ?? randomBytes(12).toString('base64url')
  const publicUrl = given.PUBLIC_URL ? settings.PUBLIC_URL : `http://127.0.0.1:${port}`
  const inbox = `http://127.0.0.1:${inboxPort}`
  const ops = `http://127.0.0.1:${opsPort}`

  await migrate(databaseUrl, log)
  const pool = openPool({ url: databaseUrl, name: 'pressebud standalone', most: 2, onError: () => {} })
  const sample = await keepSampleNewsroom({ pool, secretKeys, publicUrl, examples: join(root, 'examples') }).finally(
    () => pool.end(),
  )

  const env = {
    ...given,
    DATABASE_URL: databaseUrl,
    SMTP_URL: given.SMTP_URL ?? `smtp://127.0.0.1:${smtpPort}`,
    PUBLIC_URL: publicUrl,
    MAIL_DOMAIN: given.MAIL_DOMAIN ?? 'pressebud.example',
    SECRET_KEY: secretKey,
    PORT: String(port),
    OPS_PORT: String(opsPort),
    OPS_PASSWORD: opsPassword,
    FILES_DIR: given.FILES_DIR ?? join(root, 'examples'),
    DATA_DIR: dataDir,
    JOURNAL_DIR: given.JOURNAL_DIR ?? join(dataDir, 'hand-over'),
    INBOX_PORT: String(inboxPort),
    INBOX_SMTP_PORT: String(smtpPort),
  }
  const plan = (name: string, path: string): ChildPlan => ({ name, entry: join(import.meta.dirname, path), env })
  await children.start({ ...plan('inbox', 'inbox/main.js'), isReady: (line) => line.includes('"ready":true') })
  await Promise.all([
    children.start(plan('api', '../api/main.js')),
    children.start(plan('ops', '../ops/main.js')),
    children.start(plan('workers', '../../workers/main.js')),
  ])
  const found = {
    databaseUrl,
    secretKey,
    api: publicUrl,
    ops,
    inbox,
    sampleNewsroom: sample.slug,
    webhookSecret: sample.webhookSecret,
  }
  writeFileSync(join(dataDir, 'standalone.json'), `${JSON.stringify(found, null, 2)}\n`, { mode: 0o600 })
  process.stdout.write(
    tellBanner(
      {
        newsroom: `${publicUrl}/newsrooms/${sample.slug}`,
        inbox: `${inbox}/`,
        ops: `${ops}/`,
        opsPassword,
        docs: `${publicUrl}/docs/`,
        logs: `${relative(process.cwd(), join(dataDir, 'logs')) || '.'}/`,
        queues: settings.REDIS_URL ? 'Queues on Redis.' : 'Queues on PostgreSQL; set REDIS_URL to use Redis.',
      },
      process.stdout.isTTY && !process.env.NO_COLOR,
    ),
  )
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o711 })
  } catch (error) {
    throw new LaunchError(
      `DATA_DIR cannot be made (${(error as Error).message}): set it to a folder in which you may write.`,
      { cause: error },
    )
  }
}

async function freePort(what: string, wished: number, taken: Set<number>): Promise<number> {
  const port = await findFreePort(wished, taken)
  if (port !== wished && wished !== 0) say(`Port ${wished} is busy; ${what} takes ${port}.`)
  return port
}

/** A mistake the person can put right is told in a sentence; anything else is ours and keeps its stack. */
function tell(error: unknown): void {
  const fault = tellDatabaseFault(error)
  const told = fault === null ? null : [fault.sentence, given.DATABASE_URL && fault.hint].filter(Boolean).join(' ')
  const sentence = error instanceof LaunchError ? error.message : told
  process.stderr.write(sentence === null ? `${(error as Error).stack}\n` : `\n  ${sentence}\n\n`)
}

function tellAndEnd(error: unknown): never {
  tell(error)
  process.exit(1)
}

type Environment = Readonly<Record<string, string | undefined>>

const isSetting = (name: string) => name in settingTable

const withoutSettings = (env: Environment) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !isSetting(name)))

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder))
}

// What nobody caught ends it through the same door as a signal, and the log of a launcher is its terminal.
process.on('uncaughtExceptionMonitor', tell).on('unhandledRejection', tell)
await runProcess({ name: 'standalone', log, grace: 60_000, start: () => start().catch(tellAndEnd) })
