import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { whenBrokenOff } from '../rig/break-off.ts'
import { loadCrowd } from '../rig/crowd.ts'
import { startInstallation } from '../rig/installation.ts'
import { descendantsOf, parentOf, treeCpuSeconds, usageOf } from '../rig/process-usage.ts'
import { startSmtpSink } from '../rig/programs.ts'
import { sendBesideSlow } from './beside-slow.ts'
import { knockAtDoors } from './doors.ts'
import { fillNewsroom, readPages, warmPages } from './pages.ts'
import { peerLetterOf, rateOfNodemailer, rateOfSource } from './peers.ts'
import { readOptions } from './read-options.ts'
import { releaseOfSize } from './release-of-size.ts'
import { makeSigner, rateOfSigning } from './signing.ts'
import { sendSmallMailing } from './small-mailing.ts'

/*
 * One release to N readers through the real doors, processes, PostgreSQL and Redis, into Postfix's own sink; and in the
 * same run, one after another, what Postfix's source and nodemailer's pool do into that sink. Rates of a shared machine
 * mean little, their ratios much.
 */
const options = readOptions()
const warmUpLetters = 5_000
const workersWanted = options.workers ?? options.sinks
const say = (line: string) => {
  if (!options.json) process.stdout.write(`${line}\n`)
}

say(`Starting PostgreSQL, Redis and ${options.sinks} sink(s); loading ${options.recipients} readers …`)
const signer = options.signed ? makeSigner() : null
const installation = await startInstallation(join(import.meta.dirname, '../..'), {
  redis: true,
  env: {
    LOG_LEVEL: 'warn',
    SIGN_UPS_PER_HOUR: '1000000',
    SIGN_UPS_PER_NEWSROOM: '10000000',
    SIGN_UPS_ALTOGETHER: '10000000',
    ...signer?.settings,
  },
})
const sinks = await Promise.all(Array.from({ length: options.sinks }, startSmtpSink))
let away: Promise<void> | null = null
whenBrokenOff(putAway)
try {
  const result = await measure()
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : tell(result))
} finally {
  await putAway()
}

/** Whoever asks first, and whoever comes behind waits for the same. */
function putAway(): Promise<void> {
  const clear = async () => {
    await Promise.all(sinks.map((sink) => sink.close()))
    await installation.close()
    signer?.forget()
  }
  away ??= clear()
  return away
}

async function measure() {
  const { pool } = installation
  const signsBefore = signer ? rateOfSigning() : 0
  await loadCrowd(pool, installation.newsroom.id, options.recipients)
  const api = await installation.startApi()
  const workers: ChildProcess[] = []
  for (let n = 0; n < workersWanted; n += 1)
    workers.push(
      await installation.startWorkers(
        `smtp://127.0.0.1:${sinks[n % sinks.length]!.port}`,
        signer ? signer.watched(n) : {},
      ),
    )

  const archive = options.pages ? await fillNewsroom(installation) : []
  await warmUp()
  if (options.pages) await warmPages(installation, archive)
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  const postmaster = parentOf(rows[0]!.pid)
  const parts = () => ({
    workers: workers.reduce((sum, { pid }) => sum + treeCpuSeconds(pid!), 0),
    postgres: treeCpuSeconds(postmaster),
    redis: usageOf(installation.redis!.child.pid!).cpuSeconds,
    sinks: sinks.reduce((sum, { child }) => sum + treeCpuSeconds(child.pid!), 0),
  })
  const taken = () => sinks.reduce((sum, sink) => sum + sink.count(), 0)
  const before = parts()
  const takenBefore = taken()
  const transactionsBefore = await countTransactions()
  const { mailing, answeredAt } = await publish('measured')
  const knocking = options.doors ? knockAtDoors(installation, options.recipients) : null
  const reading = options.pages ? readPages(installation, archive) : null
  const first = await untilSent(mailing, 1)
  if (signer) for (const worker of workers) worker.kill('SIGWINCH')
  const small = options.small ? await sendSmallMailing(installation) : undefined
  await untilDone(mailing)
  const doors = await knocking?.stop()
  const pages = await reading?.stop()
  const after = parts()
  const transactions = (await countTransactions()) - transactionsBefore
  const span = await spanOf(mailing)
  // By the sinks' own count; at the doors others are written to, and some leave.
  if (!options.doors && !options.small && taken() - takenBefore !== options.recipients)
    throw new Error(`the sinks took ${taken() - takenBefore} letters for ${options.recipients} readers`)
  const thousands = options.recipients / 1000
  const seconds = (span.last - answeredAt) / 1000
  const workerPeakMb = Math.max(...workers.map(({ pid }) => usageOf(pid!).peakMb))
  await Promise.all(workers.map(end))
  const slow = options.slow ? await sendBesideSlow(installation, options.size) : undefined
  await end(api)

  say('Measuring smtp-source and nodemailer into the same sinks …')
  const ports = sinks.map(({ port }) => port)
  const peerLetters = Math.min(options.recipients, 50_000)
  const letter = await peerLetterOf(pool, mailing)
  // What PostgreSQL and Redis still do for our mailing is not to be the others' burden.
  const ours = [postmaster, ...descendantsOf(postmaster), installation.redis!.child.pid!]
  for (const pid of ours) process.kill(pid, 'SIGSTOP')
  let source: number
  let nodemailer: number
  try {
    source = await rateOfSource(ports, peerLetters, span.bytes)
    nodemailer = await rateOfNodemailer(ports[0]!, Math.min(options.recipients, 3_000), letter)
  } finally {
    for (const pid of ours) process.kill(pid, 'SIGCONT')
  }
  // Neighbours can halve a look of three seconds, and ours must not gain by that: the better of one before and one after.
  const signing = signer ? { possible: Math.max(signsBefore, rateOfSigning()), ...signer.loopDelays() } : null
  const rate = options.recipients / seconds
  const per = (part: keyof typeof before) => round((after[part] - before[part]) / thousands, 4)
  return {
    recipients: options.recipients,
    sinks: options.sinks,
    letterBytes: span.bytes,
    lettersPerSecond: Math.round(rate),
    sourcePerSecond: Math.round(source),
    ratioToSource: round(rate / source, 3),
    nodemailerPerSecond: Math.round(nodemailer),
    ratioToNodemailer: round(rate / nodemailer, 2),
    workerCpuPer1000: per('workers'),
    postgresCpuPer1000: per('postgres'),
    redisCpuPer1000: per('redis'),
    sinkCpuPer1000: per('sinks'),
    firstLetterMs: Math.round(Math.max(0, Math.min(first, span.first) - answeredAt)),
    lastLetterMs: Math.round(span.last - answeredAt),
    workerPeakMb: Math.round(workerPeakMb),
    roundTripsPer1000: round(transactions / thousands, 1),
    ...doors,
    ...pages,
    ...small,
    ...slow,
    ...(signing && {
      signsPerSecondPossible: Math.round(signing.possible),
      ratioToSigning: round(rate / signing.possible, 3),
      loopDelayMaxMs: Math.round(signing.longestMs),
      loopBusyMaxMs: Math.round(signing.busiestMs),
    }),
    countedBySinks: taken(),
  }
}

async function end(program: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => program.once('exit', resolve))
  program.kill('SIGTERM')
  await exited
}

async function publish(name: string): Promise<{ mailing: string; answeredAt: number }> {
  const { status, answer } = await installation.publish(`bench-${name}`, releaseOfSize(options.size, name))
  if (status !== 202) throw new Error(`the release was answered ${status}: ${JSON.stringify(answer)}`)
  return { mailing: answer.mailing!.id, answeredAt: Date.now() }
}

/**
 * A first mailing warms what a running installation has warm: modules, statements, connections, and code that V8 has
 * compiled because it ran often. Without the last, the first few thousand letters cost a third more.
 */
async function warmUp(): Promise<void> {
  const { pool, newsroom } = installation
  await pool.query(`update subscriptions set state = 'ended', ended_at = now() where newsroom_id = $1 and id > $2`, [
    newsroom.id,
    warmUpLetters,
  ])
  const { mailing } = await publish('warm-up')
  await untilDone(mailing)
  await pool.query(`update subscriptions set state = 'active', ended_at = null where newsroom_id = $1 and id > $2`, [
    newsroom.id,
    warmUpLetters,
  ])
  await pool.query('vacuum analyze subscriptions')
  await pool.query('checkpoint')
}

/** Waits for the first recorded acceptances, looking every few milliseconds; returns the moment of the look. */
async function untilSent(mailing: string, letters: number): Promise<number> {
  while ((await countSent(mailing)) < letters) await new Promise((resolve) => setTimeout(resolve, 20))
  return Date.now()
}

async function countSent(mailing: string): Promise<number> {
  const { rows } = await installation.pool.query<{ sent: number }>({
    name: 'bench-sent',
    text: 'select coalesce(sum(sent), 0)::int as sent from chunks where mailing_id = $1',
    values: [mailing],
  })
  return rows[0]!.sent
}

/** Asks for little, because what it asks for is measured with the rest; how far it is, only where somebody looks. */
async function untilDone(mailing: string): Promise<void> {
  const isWatched = process.stdout.isTTY && !options.json
  for (let turn = 1; ; turn += 1) {
    const { rows } = await installation.pool.query<{ state: string }>({
      name: 'bench-state',
      text: 'select state from mailings where id = $1',
      values: [mailing],
    })
    if (rows[0]!.state === 'done') return say('')
    if (isWatched && turn % 10 === 0)
      process.stdout.write(`\r${await countSent(mailing)} of ${options.recipients} letters `)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Statements that ran alone and transactions alike: each is one round trip of a worker, but for the fan-out's few. */
async function countTransactions(): Promise<number> {
  const { rows } = await installation.pool.query<{ n: number }>(
    `select (xact_commit + xact_rollback)::float8 as n from pg_stat_database where datname = current_database()`,
  )
  return rows[0]!.n
}

async function spanOf(mailing: string): Promise<{ first: number; last: number; bytes: number }> {
  const { rows } = await installation.pool.query<{ first: number; last: number; bytes: number; sent: number }>(
    `select extract(epoch from min(at))::float8 * 1000 as first, extract(epoch from max(at))::float8 * 1000 as last,
            count(*) filter (where state in ('sent', 'opted_out'))::int as sent,
            (select max(length(body)) from renderings where mailing_id = $1) as bytes
       from deliveries where mailing_id = $1`,
    [mailing],
  )
  const span = rows[0]!
  if (span.sent !== options.recipients) throw new Error(`${span.sent} of ${options.recipients} letters were sent`)
  return span
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function tell(result: object): string {
  const widest = Math.max(...Object.keys(result).map((key) => key.length))
  return Object.entries(result)
    .map(([key, value]) => `${key.padEnd(widest + 2)}${value}\n`)
    .join('')
}
