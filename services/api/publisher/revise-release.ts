import { isDeepStrictEqual } from 'node:util'
import { supersedeDigests } from '../../../shared/digest/supersede-digests.sql.ts'
import { insertMailing, supersedeMailings } from '../../../shared/mailing/mailing.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { holdDigestTexts } from '../../../shared/postgres/advisory-lock.ts'
import type { Db } from '../../../shared/postgres/pool.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { addRevision, findByExternalId, lockRelease } from '../../../shared/release/release.sql.ts'
import { isVisible, type Release } from '../../../shared/release/release.ts'
import { type PublishAnswer, tellPublisher } from './publish-answer.ts'
import { contentOf, saysTheSame, type ToldRelease, topicsOf } from './publish-release.ts'

/**
 * Amends a release: what is unsent of the old revision stays unsent, and every reader of now is owed the new one. While
 * nobody has had a letter, under embargo above all, it is simply the release.
 */
export async function correctRelease(
  tx: Db,
  newsroom: Newsroom,
  told: ToldRelease,
  clock: () => Date,
): Promise<PublishAnswer> {
  const { release, mailing } = await known(tx, newsroom, told.data.externalId)
  // The hour of an embargo may have come while others were waited for.
  const now = clock()
  const amended: Release = {
    ...release,
    // What is public stays public: a later hour would hide what readers already have.
    publishedAt: isVisible(release, now) ? release.publishedAt : told.publishedAt,
    zone: told.data.zone,
    topics: topicsOf(told.data),
    content: contentOf(told.data),
  }
  if (mailing && release.revision > 1 && isTheSame(release, amended)) return tellPublisher(release, mailing)
  const { begun } = await supersede(tx, release)
  const kind = begun || release.kind === 'correction' ? 'correction' : 'release'
  const publishedAt = begun ? release.publishedAt : amended.publishedAt
  return revise(tx, { ...amended, publishedAt, revision: release.revision + 1, kind }, now)
}

const isTheSame = (known: Release, amended: Release) =>
  known.zone === amended.zone &&
  isDeepStrictEqual(known.topics, amended.topics) &&
  known.publishedAt.getTime() === amended.publishedAt.getTime() &&
  saysTheSame(known.content, amended.content)

/** Retracts a release: what is unsent stays unsent, and those who have it are told. */
export async function withdrawRelease(
  tx: Db,
  newsroom: Newsroom,
  externalId: string,
  now: Date,
): Promise<PublishAnswer> {
  const { release } = await known(tx, newsroom, externalId)
  await supersede(tx, release)
  return revise(tx, { ...release, revision: release.revision + 1, kind: 'withdrawal' }, now)
}

/** Ends what is unsent of the release, by itself or in digests. `begun`: somebody may have it. */
async function supersede(tx: Db, { id }: Release): Promise<{ begun: boolean }> {
  const alone = await supersedeMailings(tx, id)
  const inDigests = await supersedeDigests(tx, id)
  return { begun: alone.begun || inDigests.begun }
}

async function revise(tx: Db, release: Release, now: Date): Promise<PublishAnswer> {
  const { id, newsroomId, revision, kind, publishedAt } = release
  await addRevision(tx, release, now)
  // Who has the release hears of its withdrawal at once; that is nobody while it is under embargo.
  const dueAt = kind === 'withdrawal' ? 'now' : publishedAt
  return tellPublisher(release, await insertMailing(tx, { newsroomId, kind, releaseId: id, revision, dueAt }))
}

async function known(tx: Db, newsroom: Newsroom, externalId: string) {
  await holdDigestTexts(tx, newsroom.id, 'revise')
  await lockRelease(tx, newsroom.id, externalId)
  const found = await findByExternalId(tx, newsroom.id, externalId)
  if (found === null) throw new Refusal('RELEASE_UNKNOWN')
  if (found.release.kind === 'withdrawal') throw new Refusal('RELEASE_WITHDRAWN')
  return found
}
