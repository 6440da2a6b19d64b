import { resolve } from 'node:path'
import { readSettings } from '../../shared/config/read-settings.ts'
import { untilNobodyMayBegin } from '../../shared/delivery/may-still-begin.sql.ts'
import { orTellSettings, runProcess } from '../../shared/lifecycle/run-process.ts'
import { linkKeys } from '../../shared/links/token.ts'
import { openLog } from '../../shared/log/log.ts'
import { sealingKeys } from '../../shared/newsroom/webhook-secret.ts'
import { openLedgerClock } from '../../shared/postgres/ledger-clock.ts'
import { migrateOnceThere } from '../../shared/postgres/migrate.ts'
import { closePool, openPool } from '../../shared/postgres/pool.ts'
import { noticeJob } from '../../shared/queues/jobs.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { addressHashKey } from '../../shared/subscriber/address-hash.ts'
import { buildApi } from './app.ts'

const settings = orTellSettings(() =>
  readSettings(process.env, [
    'DATABASE_URL',
    'REDIS_URL',
    'PUBLIC_URL',
    'SECRET_KEY',
    'HOST',
    'PORT',
    'TRUST_PROXY',
    'SIGN_UPS_PER_HOUR',
    'SIGN_UPS_PER_NEWSROOM',
    'SIGN_UPS_ALTOGETHER',
    'FILES_DIR',
    'LOG_LEVEL',
  ]),
)
/**
 * Milliseconds. Senders of webhooks give up after 15 s or more: with the wait for a connection an answer comes in time also
 * while PostgreSQL hangs. Doors that are well answer in a hundredth of it.
 */
const answersWithin = 8_000
const log = openLog('api', settings.LOG_LEVEL)

await runProcess({ name: 'api', log, start })

async function start(stopping: AbortSignal): Promise<() => Promise<void>> {
  await migrateOnceThere(settings.DATABASE_URL, log, stopping)
  const pool = openPool({
    url: settings.DATABASE_URL,
    name: 'pressebud api',
    most: 10,
    byKey: true,
    answersWithin,
    onError: (err) => log.warn({ err }, 'a database connection broke'),
  })
  const waking = openWakingQueues({ redisUrl: settings.REDIS_URL, databaseUrl: settings.DATABASE_URL }, log)
  const clock = await openLedgerClock(pool, log)
  const { now } = clock
  const app = await buildApi({
    log,
    trustProxy: settings.TRUST_PROXY,
    publicUrl: settings.PUBLIC_URL,
    filesDir: settings.FILES_DIR === null ? null : resolve(settings.FILES_DIR),
    queueAnswers: waking.answers,
    publisher: { pool, wake: waking.wake, now, log, sealingKeys: sealingKeys(settings.SECRET_KEY) },
    reader: {
      pool,
      now,
      log,
      links: linkKeys(settings.SECRET_KEY),
      addressHashKey: addressHashKey(settings.SECRET_KEY),
      publicUrl: settings.PUBLIC_URL,
      signUpsPerHour: settings.SIGN_UPS_PER_HOUR,
      signUpCeilings: { newsroom: settings.SIGN_UPS_PER_NEWSROOM, installation: settings.SIGN_UPS_ALTOGETHER },
      wakeNotice: (id) => waking.wake('notices', [noticeJob(id, 0)]),
      afterOptOut: (subscription) => untilNobodyMayBegin(pool, subscription),
    },
  })
  await app.listen({ host: settings.HOST, port: settings.PORT })
  return async () => {
    await app.close()
    await waking.close()
    clock.close()
    await closePool(pool)
  }
}
