import type { Language } from '../../shared/language/language.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { prepareNotice } from '../../shared/letter/prepare-notice.ts'
import type { Log } from '../../shared/log/log.ts'
import { layoutsIn } from '../../shared/mailing/layout.sql.ts'
import { findNewsroomById } from '../../shared/newsroom/newsroom.sql.ts'
import type { NewsroomId } from '../../shared/newsroom/newsroom.ts'
import type { NoticeKind } from '../../shared/notice/notice.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

export type PreparedNotices = {
  of(newsroom: NewsroomId, kind: NoticeKind, language: Language): Promise<PreparedLetter>
}

type Deps = {
  readonly pool: Pool
  readonly log: Pick<Log, 'warn'>
  readonly publicUrl: string
  readonly mailDomain: string
}

/** A newsroom's new words or looks are in its notices after so long, in milliseconds. */
const freshness = 30_000

/** What could not be prepared is not tried anew for each notice that waits for it, nor for longer than the first of them rests. */
const restAfterFault = 2_000

/** Notices differ by newsroom, kind and language only, so what one sign-up had prepared serves the next. */
export function openPreparedNotices(deps: Deps): PreparedNotices {
  const known: Known = new Map()
  return {
    of: (newsroom, kind, language) => {
      const key = `${newsroom} ${kind} ${language}`
      const found = known.get(key)
      if (found && performance.now() < found.until) return found.letter
      forgetOld(known)
      const letter = prepare(deps, newsroom, kind, language)
      known.set(key, { letter, until: performance.now() + freshness })
      letter.catch(() => known.set(key, { letter, until: performance.now() + restAfterFault }))
      return letter
    },
  }
}

type Known = Map<string, { readonly letter: Promise<PreparedLetter>; readonly until: number }>

/** With a thousand newsrooms they would be many megabytes. */
function forgetOld(known: Known): void {
  const now = performance.now()
  for (const [key, { until }] of known) if (until <= now) known.delete(key)
}

async function prepare(deps: Deps, id: NewsroomId, kind: NoticeKind, language: Language): Promise<PreparedLetter> {
  const newsroom = await findNewsroomById(deps.pool, id)
  if (newsroom === null) throw new Error(`newsroom ${id} is not there, and has notices to send`)
  const { pool, log, publicUrl, mailDomain } = deps
  return prepareNotice({ kind, newsroom, language, publicUrl, mailDomain }, layoutsIn(pool, log))
}
