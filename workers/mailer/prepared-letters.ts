import type { Language } from '../../shared/language/language.ts'
import { chooseLanguage } from '../../shared/language/language.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { type Cuts, unpackPrepared } from '../../shared/letter/pack.ts'
import { findMailing } from '../../shared/mailing/mailing.sql.ts'
import type { MailingId, MailingState } from '../../shared/mailing/mailing.ts'
import { listRenderings } from '../../shared/mailing/rendering.sql.ts'
import { findNewsroomById } from '../../shared/newsroom/newsroom.sql.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import type { SenderAlignment } from './sender-alignment.ts'

/** The letter of a mailing for a reader of a language. */
export type LettersOf = (language: string) => PreparedLetter

/** Prepared letters of the mailings a process is sending, so that a chunk costs no look-up for what never changes. */
export type PreparedLetters = { of(mailing: MailingId): Promise<LettersOf> }

/** Mailings kept at once; some languages of 30 KB each. */
const mostMailings = 20

/** `senders`: told of each mailing's sender, once. */
export function openPreparedLetters(pool: Pool, senders: SenderAlignment): PreparedLetters {
  const known = new Map<MailingId, Promise<LettersOf>>()
  return {
    of: (mailing) => {
      const ready = known.get(mailing) ?? load(pool, senders, mailing)
      // Re-inserting keeps the map in order of use, so the first key is the one longest unused.
      known.delete(mailing)
      known.set(mailing, ready)
      ready.catch(() => known.delete(mailing))
      if (known.size > mostMailings) known.delete(known.keys().next().value!)
      return ready
    },
  }
}

async function load(pool: Pool, senders: SenderAlignment, id: MailingId): Promise<LettersOf> {
  const mailing = await findMailing(pool, id)
  const newsroom = mailing && (await findNewsroomById(pool, mailing.newsroomId))
  const letters = new Map<Language, PreparedLetter>()
  for (const rendering of await listRenderings(pool, id))
    letters.set(rendering.language, unpackPrepared({ ...rendering, cuts: rendering.cuts as Cuts }))
  if (!newsroom || letters.size === 0) {
    // One that was stopped before any was prepared has only letters to close, and none to make.
    if (mailing && isOver(mailing.state)) return () => nothingToSend(id)
    return nothingToSend(id)
  }
  senders.check(newsroom.senderAddress)
  const offered = [...letters.keys()]
  return (language) => letters.get(chooseLanguage(language as Language, newsroom.defaultLanguage, offered))!
}

const isOver = (state: MailingState) => state === 'cancelled' || state === 'superseded'

function nothingToSend(id: MailingId): never {
  throw new Error(`mailing ${id} has no prepared letters`)
}
