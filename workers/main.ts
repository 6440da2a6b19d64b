import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { forgetWholeBudgets } from '../shared/budget/budget.sql.ts'
import { readSettings } from '../shared/config/read-settings.ts'
import { hearWhoseLetterIsAskedFor } from '../shared/delivery/may-still-begin.sql.ts'
import { dkimSettings, readDkim } from '../shared/dkim/read-dkim.ts'
import { orTellSettings, runProcess } from '../shared/lifecycle/run-process.ts'
import { linkKeys } from '../shared/links/token.ts'
import { openLog } from '../shared/log/log.ts'
import { openLedgerClock } from '../shared/postgres/ledger-clock.ts'
import { openListener } from '../shared/postgres/listen.ts'
import { migrateOnceThere } from '../shared/postgres/migrate.ts'
import { closePool, openPool } from '../shared/postgres/pool.ts'
import { openWorker } from '../shared/queues/queue-store.ts'
import { openWakingQueues } from '../shared/queues/wake.ts'
import type { SubscriptionId } from '../shared/subscription/subscription.ts'
import { openSmtpTransport } from '../shared/transport/smtp.ts'
import { certificateFaults } from '../shared/transport/smtp-url.ts'
import { cutAudience } from './fan-out/cut-audience.ts'
import { openSlowTries } from './fan-out/try-once.ts'
import { lowerPriority } from './lower-priority.ts'
import { openDomainWatch } from './mailer/domain-watch.ts'
import { openHandOverJournals } from './mailer/hand-over-journal.ts'
import { openHeartbeat } from './mailer/heartbeat.ts'
import { openHeldLeases } from './mailer/held-leases.ts'
import { openKeptMailings } from './mailer/kept-mailings.ts'
import { openLettersInHand } from './mailer/letters-in-hand.ts'
import { openLingering } from './mailer/lingering.ts'
import { openPreparedLetters } from './mailer/prepared-letters.ts'
import { openPreparedNotices } from './mailer/prepared-notices.ts'
import { openReceivingDomains } from './mailer/receiving-domains.ts'
import { openRelayCircuit } from './mailer/relay-circuit.ts'
import { sendChunk } from './mailer/send-chunk.ts'
import { sendNotice } from './mailer/send-notice.ts'
import { openSenderAlignment } from './mailer/sender-alignment.ts'
import { type LetterTransport, openSigningTransport, underWay } from './mailer/signing-transport.ts'
import { openStandingNotices } from './mailer/standing-notices.ts'
import { openUnfitLetters } from './mailer/unfit-letters.ts'
import { openWindowSize } from './mailer/window-size.ts'
import { answerLinkRequests } from './scheduler/answer-link-requests.ts'
import { cutDigests } from './scheduler/cut-digests.ts'
import { openForgetting } from './scheduler/forget.ts'
import { lapsePending } from './scheduler/lapse-pending.ts'
import { reconcile } from './scheduler/reconcile.ts'
import { openTimetable } from './scheduler/timetable.ts'

const readText = (path: string) => readFileSync(path, 'utf8')
const settings = orTellSettings(() =>
  readSettings(
    process.env,
    [
      'DATABASE_URL',
      'REDIS_URL',
      'SMTP_URL',
      'PUBLIC_URL',
      'MAIL_DOMAIN',
      ...dkimSettings,
      'SECRET_KEY',
      'SMTP_CONNECTIONS',
      'CHUNK_SIZE',
      'MAILER_CHUNKS',
      'RETRY_FIRST_WAIT',
      'RETRY_WINDOW',
      'IN_DOUBT',
      'JOURNAL_DIR',
      'RECONCILE_EVERY',
      'LAPSE_AFTER_DAYS',
      'KEEP_DELIVERIES_DAYS',
      'KEEP_WEBHOOKS_DAYS',
      'KEEP_NOTICES_DAYS',
      'KEEP_ORIGINS_DAYS',
      'KEEP_ADDRESSES_DAYS',
      'LOG_LEVEL',
    ],
    (found) => [...readDkim(found, readText).faults, ...certificateFaults(found.SMTP_URL, readText)],
  ),
)
const log = openLog('workers', settings.LOG_LEVEL)

lowerPriority()
await runProcess({ name: 'workers', log, start })

async function start(stopping: AbortSignal): Promise<() => Promise<void>> {
  await migrateOnceThere(settings.DATABASE_URL, log, stopping)
  const poolOptions = {
    url: settings.DATABASE_URL,
    name: 'pressebud workers',
    byKey: true,
    onError: (err: Error) => log.warn({ err }, 'a database connection broke'),
  }
  const pool = openPool({ ...poolOptions, most: settings.MAILER_CHUNKS + 10, answersWithin: 10_000 })
  // For chores that go through much and may take their time: a turn at one, and a statement in it.
  const patientPool = openPool({ ...poolOptions, name: 'pressebud workers, chores', most: 6 })
  const clock = await openLedgerClock(pool, log)
  const { now } = clock
  const store = { redisUrl: settings.REDIS_URL, databaseUrl: settings.DATABASE_URL }
  const waking = openWakingQueues(store, log)
  const mailDomain = settings.MAIL_DOMAIN ?? new URL(settings.PUBLIC_URL).hostname
  const smtp = { url: settings.SMTP_URL, clientName: mailDomain, log }
  const dkim = readDkim(settings, readText)
  for (const warning of dkim.warnings) log.warn(warning)
  const openTransport = (connections: number, threads?: number): LetterTransport => {
    const transport = openSmtpTransport({ ...smtp, connections })
    if (dkim.identity === null) return transport
    return openSigningTransport({ transport, log, now }, dkim.identity, underWay(connections), threads)
  }
  const bulk = openTransport(settings.SMTP_CONNECTIONS)
  const prompt = openTransport(4, 1)
  const leases = openHeldLeases(pool, log)
  const inHand = openLettersInHand()
  const listener = openListener({
    url: settings.DATABASE_URL,
    name: 'pressebud workers, listening',
    statement: hearWhoseLetterIsAskedFor,
    log,
    hear: (subscription) => inHand.giveBack(subscription as SubscriptionId),
  })
  const watch = openDomainWatch({ pool, log, now, connections: settings.SMTP_CONNECTIONS })
  const circuit = openRelayCircuit(log)
  const lingering = openLingering(log)
  let isStopping = false

  const shared = {
    pool,
    log,
    links: linkKeys(settings.SECRET_KEY),
    publicUrl: settings.PUBLIC_URL,
    mailDomain,
    curve: { firstWait: settings.RETRY_FIRST_WAIT, window: settings.RETRY_WINDOW },
    now,
    chance: Math.random,
    stopping: () => isStopping,
    unfit: openUnfitLetters(log),
    receivingDomains: openReceivingDomains(new Resolver({ timeout: 2_000, tries: 2 })),
  }
  const mailer = {
    ...shared,
    wake: waking.wake,
    transport: bulk,
    letters: openPreparedLetters(pool, openSenderAlignment(log, mailDomain)),
    leases,
    journals: openHandOverJournals(resolve(settings.JOURNAL_DIR), log),
    circuit,
    watch,
    inHand,
    lingering,
    kept: openKeptMailings(),
    // One more than a chunk holds: a window that is not full shows, without asking, that nothing is left.
    windowSize: openWindowSize({ least: settings.SMTP_CONNECTIONS * 4, most: settings.CHUNK_SIZE + 1 }),
    doubt: settings.IN_DOUBT as 'resend' | 'hold',
  }
  const noticeSender = {
    ...{ ...shared, transport: prompt, circuit },
    notices: openPreparedNotices(shared),
    standing: openStandingNotices(),
  }
  const fanOut = {
    ...shared,
    wake: waking.wake,
    chunkSize: settings.CHUNK_SIZE,
    longestTurn: 1_000,
    giveUpAfter: settings.RETRY_WINDOW,
    slowTries: openSlowTries(log),
  }

  const workers = [
    openWorker(store, 'fan-out', ({ mailingId }) => cutAudience(fanOut, mailingId), 2, log),
    openWorker(store, 'mail-bulk', (chunk) => sendChunk(mailer, chunk), settings.MAILER_CHUNKS, log),
    // More than there are connections: those that wait for a slow domain are not to keep the others from their turn.
    openWorker(store, 'notices', ({ noticeId }) => sendNotice(noticeSender, noticeId), 16, log),
  ]
  const patient = { ...shared, pool: patientPool }
  const forget = openForgetting({
    ...patient,
    spans: {
      deliveries: settings.KEEP_DELIVERIES_DAYS,
      webhooks: settings.KEEP_WEBHOOKS_DAYS,
      notices: settings.KEEP_NOTICES_DAYS,
      origins: settings.KEEP_ORIGINS_DAYS,
      addresses: settings.KEEP_ADDRESSES_DAYS,
      unconfirmed: settings.LAPSE_AFTER_DAYS,
    },
    batch: 4_000,
    statements: 40,
  })
  const timetable = openTimetable({ pool, log }, [
    {
      name: 'reconcile',
      every: settings.RECONCILE_EVERY,
      act: () => reconcile({ pool, wake: waking.wake, now, heardUntil: leases.heardUntil }),
      // An hour that comes while its process is frozen is to be noticed within fifteen seconds, by another's next look.
      patience: 6,
    },
    { name: 'link-requests', every: 2, act: () => answerLinkRequests({ pool, wake: waking.wake, now }) },
    // A budget that is whole again is as good as none.
    { name: 'budgets', every: 600, act: () => forgetWholeBudgets(pool, now()) },
  ])
  const patientTimetable = openTimetable({ pool: patientPool, log }, [
    {
      name: 'cut-digests',
      every: 20,
      act: () => cutDigests({ ...fanOut, ...patient, readersAtOnce: 2_000 }),
    },
    {
      name: 'lapse-pending',
      every: 600,
      act: () => lapsePending({ ...patient, lapseAfterDays: settings.LAPSE_AFTER_DAYS }),
    },
    { name: 'forget', every: 60, act: forget },
  ])
  const heartbeat = openHeartbeat({ pool, log, circuit, watch, journals: mailer.journals })
  log.info('workers are ready')

  return async () => {
    isStopping = true
    // All at once: while a chore comes to its end no further job is to be begun, and a letter that a job has in hand is waited for
    // only as long as a transport waits that is being closed.
    await Promise.all([timetable, patientTimetable, ...workers, bulk, prompt].map((one) => one.close()))
    await lingering.ended()
    await listener.close()
    leases.close()
    await watch.close()
    await heartbeat.close()
    await waking.close()
    clock.close()
    await Promise.all([closePool(pool), closePool(patientPool)])
  }
}
