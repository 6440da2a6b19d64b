import { uuidv7 } from 'uuidv7'
import { insertMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Db } from '../../shared/postgres/pool.ts'
import { insertRelease } from '../../shared/release/release.sql.ts'
import type { Release, ReleaseId } from '../../shared/release/release.ts'

export function sampleRelease(newsroom: Newsroom, wishes: Partial<Release> = {}): Release {
  const id = uuidv7() as ReleaseId
  return {
    id,
    newsroomId: newsroom.id,
    externalId: id,
    revision: 1,
    kind: 'release',
    publishedAt: new Date(Date.now() - 60_000),
    zone: newsroom.zone,
    topics: [],
    content: {
      languages: {
        nb: { title: 'Ny brygge åpner', lead: 'Brygga står klar.', bodyHtml: '<p>Alle er velkomne lørdag.</p>' },
        en: {
          title: 'A new quay opens',
          lead: 'The quay is ready.',
          bodyHtml: '<p>Everybody is welcome on Saturday.</p>',
        },
      },
      contacts: [],
      images: [],
      documents: [],
      links: [],
    },
    ...wishes,
  }
}

/** An accepted release and the mailing that owes it to the readers there are. */
export async function givenMailing(
  db: Db,
  newsroom: Newsroom,
  wishes: Partial<Release> = {},
): Promise<{ release: Release; mailingId: MailingId }> {
  const release = sampleRelease(newsroom, wishes)
  await insertRelease(db, release, new Date())
  const { id } = await insertMailing(db, {
    newsroomId: newsroom.id,
    kind: 'release',
    releaseId: release.id,
    revision: 1,
    dueAt: release.publishedAt,
  })
  return { release, mailingId: id }
}
