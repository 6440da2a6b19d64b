import { supersedeDigestMailings } from '../mailing/digest-mailing.sql.ts'
import type { Db } from '../postgres/pool.ts'
import type { ReleaseId } from '../release/release.ts'
import { openReplacingCuts } from './digest-cut.sql.ts'

/**
 * A release is revised: digests that carry it and have not left stay unsent, and for each a cut is opened that deals its
 * readers another, of what holds then. In the transaction that accepts the revision, which holds the digests' texts; the rows of their
 * chunks are for the cut to touch, because workers renew their leases on these in one statement, which would wait.
 */
export async function supersedeDigests(db: Db, release: ReleaseId): Promise<{ begun: boolean }> {
  const { replaced, begun } = await supersedeDigestMailings(db, release)
  if (replaced.length > 0) await openReplacingCuts(db, replaced)
  return { begun }
}
