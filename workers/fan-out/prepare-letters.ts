import { listItems } from '../../shared/digest/digest-items.sql.ts'
import type { Language } from '../../shared/language/language.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { packPrepared } from '../../shared/letter/pack.ts'
import { prepareDigestLetter } from '../../shared/letter/prepare-digest.ts'
import { prepareReleaseLetter } from '../../shared/letter/prepare-release.ts'
import type { Log } from '../../shared/log/log.ts'
import { layoutsIn } from '../../shared/mailing/layout.sql.ts'
import type { Mailing } from '../../shared/mailing/mailing.ts'
import { insertRendering, listRenderings } from '../../shared/mailing/rendering.sql.ts'
import { findNewsroomById } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { findRevision } from '../../shared/release/release.sql.ts'
import type { Release, ReleaseId } from '../../shared/release/release.ts'

export type PrepareDeps = {
  readonly pool: Pool
  readonly log: Pick<Log, 'warn'>
  readonly publicUrl: string
  readonly mailDomain: string
}

/** What a mailing carries was not made into a letter; `cause` says what came in between. */
export class LetterFault extends Error {}

/** Prepares a mailing's letters, once for each language; those there are already stay as they are. */
export async function prepareLetters(deps: PrepareDeps, mailing: Mailing): Promise<void> {
  const newsroom = await findNewsroomById(deps.pool, mailing.newsroomId)
  if (!newsroom) throw new Error(`mailing ${mailing.id} has lost its newsroom`)
  const { languages, prepare } =
    mailing.kind === 'digest' ? await digestOf(deps, mailing, newsroom) : await releaseOf(deps, mailing, newsroom)
  const done = new Set((await listRenderings(deps.pool, mailing.id)).map((rendering) => rendering.language))
  for (const language of languages) {
    if (done.has(language)) continue
    const prepared = await prepare(language).catch((cause) => {
      throw new LetterFault(cause instanceof Error ? cause.message : String(cause), { cause })
    })
    await insertRendering(deps.pool, mailing.id, { language, subject: prepared.subject, ...packPrepared(prepared) })
  }
}

type Letters = {
  readonly languages: readonly Language[]
  readonly prepare: (language: Language) => Promise<PreparedLetter>
}

async function releaseOf(deps: PrepareDeps, mailing: Mailing, newsroom: Newsroom): Promise<Letters> {
  const { publicUrl, mailDomain } = deps
  const release = await revisionOf(deps, mailing, mailing.releaseId!, mailing.revision!)
  return {
    languages: Object.keys(release.content.languages) as Language[],
    prepare: (language) =>
      prepareReleaseLetter({ newsroom, release, language, publicUrl, mailDomain }, layoutsIn(deps.pool, deps.log)),
  }
}

/** A digest speaks each of the newsroom's languages; each release in it is in that one where it is written in it. */
async function digestOf(deps: PrepareDeps, mailing: Mailing, newsroom: Newsroom): Promise<Letters> {
  const { publicUrl, mailDomain } = deps
  const items = await Promise.all(
    (await listItems(deps.pool, mailing.id)).map(async ({ releaseId, revision, telling }) => ({
      telling,
      release: await revisionOf(deps, mailing, releaseId, revision),
    })),
  )
  return {
    languages: newsroom.languages,
    prepare: (language) =>
      prepareDigestLetter(
        { newsroom, mailingId: mailing.id, items, language, publicUrl, mailDomain },
        layoutsIn(deps.pool, deps.log),
      ),
  }
}

async function revisionOf(deps: PrepareDeps, mailing: Mailing, id: ReleaseId, revision: number): Promise<Release> {
  const release = await findRevision(deps.pool, id, revision)
  if (!release) throw new Error(`mailing ${mailing.id} has lost a release`)
  return release
}
