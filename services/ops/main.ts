import { hkdfSync } from 'node:crypto'
import { readSettings } from '../../shared/config/read-settings.ts'
import { settleDoubts } from '../../shared/delivery/settle-doubt.sql.ts'
import { orTellSettings, runProcess } from '../../shared/lifecycle/run-process.ts'
import { openLog } from '../../shared/log/log.ts'
import { cancelMailing, setPaused } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { tryAgain } from '../../shared/mailing/tries.sql.ts'
import { openLedgerClock } from '../../shared/postgres/ledger-clock.ts'
import { closePool, openPool } from '../../shared/postgres/pool.ts'
import { openWakingQueues } from '../../shared/queues/wake.ts'
import { buildOpsApp } from './app.ts'

const settings = orTellSettings(() =>
  readSettings(process.env, [
    'DATABASE_URL',
    'REDIS_URL',
    'SECRET_KEY',
    'OPS_HOST',
    'OPS_PORT',
    'OPS_PASSWORD',
    'PUBLIC_URL',
    'LOG_LEVEL',
  ]),
)
const log = openLog('ops', settings.LOG_LEVEL)

await runProcess({
  name: 'ops',
  log,
  start: async () => {
    const pool = openPool({
      url: settings.DATABASE_URL,
      name: 'pressebud ops',
      most: 5,
      // Prometheus gives up after ten seconds, and an operator sooner.
      answersWithin: 8_000,
      onError: (err) => log.warn({ err }, 'a database connection broke'),
    })
    const queues = openWakingQueues({ redisUrl: settings.REDIS_URL, databaseUrl: settings.DATABASE_URL }, log)
    const clock = await openLedgerClock(pool, log)
    const app = await buildOpsApp({
      pool,
      now: clock.now,
      log,
      password: settings.OPS_PASSWORD,
      sessionKey: Buffer.from(hkdfSync('sha256', settings.SECRET_KEY[0]!, 'pressebud', 'ops', 32)),
      secureCookies: settings.PUBLIC_URL.startsWith('https:'),
      boards: queues.queues,
      actions: {
        pause: (id) => setPaused(pool, id as MailingId, true),
        resume: (id) => setPaused(pool, id as MailingId, false),
        cancel: (id) => cancelMailing(pool, id as MailingId),
        tryAgain: (id) => tryAgain(pool, id as MailingId),
        settle: (id, as) => settleDoubts(pool, id as MailingId, as),
      },
    })
    const address = await app.listen({ host: settings.OPS_HOST, port: settings.OPS_PORT })
    log.info({ address }, "the operators' desk is open")
    return async () => {
      await app.close()
      await queues.close()
      clock.close()
      await closePool(pool)
    }
  },
})
