import type { MailingId } from '../../shared/mailing/mailing.ts'
import { findMailingProgress, type MailingProgress } from '../../shared/mailing/mailing-progress.sql.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { Mistake, usageMistake } from './mistake.ts'

/** The mailing of that number, or a mistake that says where they are listed. */
export async function chooseMailing(db: Db, id: string): Promise<MailingProgress> {
  // Eighteen digits always fit a bigint.
  if (!/^[1-9]\d{0,17}$/.test(id))
    throw usageMistake(`“${id}” is not the number of a mailing.`, '`pressebud mailing list` tells them.')
  const mailing = await findMailingProgress(db, id as MailingId)
  if (mailing === null)
    throw new Mistake(`There is no mailing ${id}.`, ['`pressebud mailing list` tells those there are.'])
  return mailing
}
