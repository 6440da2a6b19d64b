import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Installation } from '../rig/installation.ts'
import { endProgram } from '../rig/programs.ts'
import { releaseOfSize } from './release-of-size.ts'
import type { Counted } from './slow-host.ts'

export type BesideSlow = {
  /** Letters a second, while all receiving domains are quick. */
  readonly alonePerSecond: number
  /** The same, of 49 domains, while the fiftieth takes two seconds over each letter. */
  readonly besideSlowPerSecond: number
  readonly ratioBesideSlow: number
}

/** Of mailings in turn: on a shared machine two alike differ by a tenth. */
const rounds = 3

/** Mailings to all readers, one after another, into a mail host for which one of fifty domains is slow every second time. */
export async function sendBesideSlow(installation: Installation, bytes: number): Promise<BesideSlow> {
  const host = fork(join(import.meta.dirname, 'slow-host.js'))
  const [{ port }] = (await once(host, 'message')) as [{ port: number }]
  const workers = await installation.startWorkers(`smtp://127.0.0.1:${port}`)
  const ask = async (): Promise<Counted> => {
    host.send({})
    const [counted] = (await once(host, 'message')) as [Counted]
    return counted
  }

  async function rate(name: string, slow: string | null): Promise<number> {
    const others = await countOthers(installation, slow)
    // What the mailing before has left to be written would be charged to this one.
    await installation.pool.query('checkpoint')
    host.send({ slow })
    await installation.publish(`bench-${name}`, releaseOfSize(bytes, name))
    for (;;) {
      const counted = await ask()
      if (counted.others >= others) return counted.others / (counted.ms / 1000)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** What the slow domain has not had yet must not go out beside the next mailing. */
  async function quicken(): Promise<void> {
    host.send({ slow: null })
    const { pool } = installation
    for (;;) {
      await pool.query('delete from paces')
      await pool.query(`update deliveries set until = now() where state = 'deferred' and until > now()`)
      await pool.query(`update chunks set next_at = now() where state = 'open' and next_at > now()`)
      // What was accepted at the doors for another day is to stay.
      const { rowCount } = await pool.query(`select from mailings where state not in ('done', 'embargoed')`)
      if (rowCount === 0) return
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }

  await rate('slow-warm-up', null)
  let alone = 0
  let beside = 0
  for (let round = 1; round <= rounds; round += 1) {
    alone += await rate(`slow-none-${round}`, null)
    beside += await rate(`slow-one-${round}`, `d${round}.example`)
    await quicken()
  }
  await endProgram(workers, 'SIGTERM')
  host.kill()
  return {
    alonePerSecond: Math.round(alone / rounds),
    besideSlowPerSecond: Math.round(beside / rounds),
    ratioBesideSlow: Number((beside / alone).toFixed(3)),
  }
}

/** Readers outside the slow domain, by the database: domains differ by a reader, and at the doors some have left. */
async function countOthers({ pool, newsroom }: Installation, slow: string | null): Promise<number> {
  const { rows } = await pool.query<{ others: number }>(
    `select count(*)::int as others
       from subscriptions s join subscribers b on b.id = s.subscriber_id
      where s.newsroom_id = $1 and s.state = 'active' and split_part(b.address, '@', 2) is distinct from $2::text`,
    [newsroom.id, slow],
  )
  return rows[0]!.others
}
