import { isDeepStrictEqual } from 'node:util'
import { uuidv7 } from 'uuidv7'
import { insertMailing } from '../../../shared/mailing/mailing.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import type { Db } from '../../../shared/postgres/pool.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { findByExternalId, insertRelease } from '../../../shared/release/release.sql.ts'
import type { Release, ReleaseContent, ReleaseId } from '../../../shared/release/release.ts'
import { type PublishAnswer, tellPublisher } from './publish-answer.ts'
import type { ReleaseTold } from './release-payload.ts'

export type ToldRelease = { readonly data: ReleaseTold['data']; readonly publishedAt: Date }

/** A release for the first time: stored, and owed to everybody who follows the newsroom now. */
export async function publishRelease(tx: Db, newsroom: Newsroom, told: ToldRelease, now: Date): Promise<PublishAnswer> {
  const { data, publishedAt } = told
  const release: Release = {
    id: uuidv7() as ReleaseId,
    newsroomId: newsroom.id,
    externalId: data.externalId,
    revision: 1,
    kind: 'release',
    publishedAt,
    zone: data.zone,
    topics: topicsOf(data),
    content: contentOf(data),
  }
  if ((await insertRelease(tx, release, now)) === null) return answerForTheSame(tx, release)
  const { id, newsroomId, revision } = release
  const owed = { newsroomId, kind: 'release', releaseId: id, revision, dueAt: publishedAt } as const
  return tellPublisher(release, await insertMailing(tx, owed))
}

export const contentOf = ({ languages, contacts, images, documents, links }: ReleaseTold['data']) =>
  ({ languages, contacts, images, documents, links }) as ReleaseContent

/** Each once and in one order, so that a repeat is recognised as one. */
export const topicsOf = ({ topics }: ReleaseTold['data']): string[] => [...new Set(topics)].toSorted()

/** Whether what is stored says the same as what was sent; JSON's own rules decide, since it went through them. */
export const saysTheSame = (stored: ReleaseContent, sent: ReleaseContent) =>
  isDeepStrictEqual(stored, JSON.parse(JSON.stringify(sent)))

/** The same release under another webhook id, as when a publisher's system sends it again: owed already. */
async function answerForTheSame(tx: Db, release: Release): Promise<PublishAnswer> {
  const known = await findByExternalId(tx, release.newsroomId, release.externalId)
  const same =
    known?.mailing != null &&
    known.release.revision === 1 &&
    known.release.publishedAt.getTime() === release.publishedAt.getTime() &&
    isDeepStrictEqual(known.release.topics, release.topics) &&
    saysTheSame(known.release.content, release.content)
  if (!same)
    throw new Refusal('RELEASE_ALREADY_PUBLISHED', [
      { pointer: '/data/externalId', detail: 'Known, with other content; to amend it, send release.corrected.' },
    ])
  return tellPublisher(known.release, known.mailing!)
}
