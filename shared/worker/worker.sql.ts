import type { Db } from '../postgres/pool.ts'
import { maskAddresses } from '../subscriber/mask-address.ts'
import type { Beat, WorkerStanding } from './worker.ts'

/**
 * Writes what a workers process says of itself. Only the database's clock is used, so that processes on machines whose
 * clocks disagree are judged alike.
 */
export async function writeBeat(db: Db, beat: Beat): Promise<void> {
  const { id, host, pid, upMs, acceptedLately, keepsJournal, trouble } = beat
  await db.query(
    `insert into workers (id, host, pid, started_at, beat_at, accepted_lately, trouble, trouble_since, tried_at, rests_until,
                          keeps_journal)
     values ($1, $2, $3, now() - $4 * interval '1 millisecond', now(), $5, $6, now() - $7 * interval '1 millisecond',
             now() - $8 * interval '1 millisecond', now() + $9 * interval '1 millisecond', $10)
     on conflict (id) do update
        set beat_at = now(), accepted_lately = excluded.accepted_lately, trouble = excluded.trouble,
            trouble_since = excluded.trouble_since, tried_at = excluded.tried_at, rests_until = excluded.rests_until,
            keeps_journal = excluded.keeps_journal`,
    [
      id,
      host,
      pid,
      upMs,
      acceptedLately,
      // A host that refuses a sender likes to repeat it.
      trouble && maskAddresses(trouble.detail).replaceAll('\0', '').slice(0, 500),
      trouble?.sinceMs,
      trouble?.triedMs,
      trouble?.restMs,
      keepsJournal,
    ],
  )
}

/** A process that ends in good order takes its row along. */
export async function removeWorker(db: Db, id: string): Promise<void> {
  await db.query(`delete from workers where id = $1`, [id])
}

/** Forgets processes that have said nothing for so long that they are gone. */
export async function removeVanishedWorkers(db: Db, afterSeconds: number): Promise<void> {
  await db.query(`delete from workers where beat_at < now() - $1 * interval '1 second'`, [afterSeconds])
}

/** The workers processes that have spoken lately, by host. */
export async function listWorkers(db: Db): Promise<WorkerStanding[]> {
  const { rows } = await db.query<WorkerRow>(
    `select id, host, pid, started_at, beat_at, accepted_lately, keeps_journal, trouble, trouble_since, tried_at, rests_until
       from workers order by host, started_at, id`,
  )
  return rows.map((row) => ({
    id: row.id,
    host: row.host,
    pid: row.pid,
    startedAt: row.started_at,
    beatAt: row.beat_at,
    acceptedLately: row.accepted_lately,
    keepsJournal: row.keeps_journal,
    trouble:
      row.trouble === null
        ? null
        : { detail: row.trouble, since: row.trouble_since!, triedAt: row.tried_at!, restsUntil: row.rests_until! },
  }))
}

type WorkerRow = {
  id: string
  host: string
  pid: number
  started_at: Date
  beat_at: Date
  accepted_lately: number
  keeps_journal: boolean
  trouble: string | null
  trouble_since: Date | null
  tried_at: Date | null
  rests_until: Date | null
}
