import type { Log } from '../log/log.ts'
import { warnSeldom } from '../log/warn-seldom.ts'
import type { Db } from '../postgres/pool.ts'

/**
 * The layouts that all processes share, as whoever makes letters asks for them. A letter can be made without: a fault is told, and
 * nothing found.
 */
export function layoutsIn(db: Db, log: Pick<Log, 'warn'>) {
  const tell = (err: unknown) => warnSeldom(log, { err }, 'what MJML made cannot be looked up or kept')
  return {
    async find(key: Buffer): Promise<string | null> {
      try {
        const { rows } = await db.query<{ html: string }>('select html from layouts where key = $1', [key])
        return rows[0]?.html ?? null
      } catch (err) {
        tell(err)
        return null
      }
    },
    async keep(key: Buffer, html: string): Promise<void> {
      try {
        await db.query('insert into layouts (key, html) values ($1, $2) on conflict do nothing', [key, html])
      } catch (err) {
        tell(err)
      }
    },
  }
}

/** Made anew now and then, it follows what MJML itself is built on. */
const daysKept = 30

export async function dropOldLayouts(db: Db): Promise<void> {
  await db.query('delete from layouts where made_on < current_date - $1::int', [daysKept])
}
