import { findNewsroom, listNewsrooms } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { Mistake } from './mistake.ts'
import { nearNames } from './near-names.ts'

/** The newsroom by that name; when there is none, the complaint names those it may have been. */
export async function chooseNewsroom(db: Db, slug: string): Promise<Newsroom> {
  const newsroom = await findNewsroom(db, slug)
  if (newsroom) return newsroom
  const slugs = (await listNewsrooms(db)).map((known) => known.slug)
  throw new Mistake(`There is no newsroom “${slug}”.`, [hintFor(slug, slugs)])
}

function hintFor(slug: string, slugs: readonly string[]): string {
  if (slugs.length === 0) return 'There is none at all yet: make one with `pressebud newsroom create`.'
  const near = nearNames(slug, slugs)
  if (near.length > 0) return `Did you mean ${near.join(' or ')}?`
  if (slugs.length <= 10) return `There is ${slugs.join(', ')}.`
  return 'See them with `pressebud newsroom list`.'
}
