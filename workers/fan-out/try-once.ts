import { MjmlProcessFault } from '../../shared/letter/mjml-compiler.ts'
import type { Log } from '../../shared/log/log.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { beginTry, noteTrouble, renewTry } from '../../shared/mailing/tries.sql.ts'
import { tellTrouble, tryLease } from '../../shared/mailing/trouble.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { LetterFault } from './prepare-letters.ts'

export type TryDeps = {
  readonly pool: Pool
  readonly log: Log
  /** Seconds from the first fault of our own machine until a mailing is given up for it. */
  readonly giveUpAfter: number
}

/**
 * Makes one try at a mailing that is due, and writes down why it did not succeed: PostgreSQL counts the tries and says
 * when the next one is, so that a release which cannot be made into a letter comes back less and less, takes nobody
 * else's place, and ends with its reason. Nothing is done where another has it in hand or it rests.
 */
export async function tryOnce(deps: TryDeps, id: MailingId, act: () => Promise<void>): Promise<void> {
  const { pool, log, giveUpAfter } = deps
  const begun = await beginTry(pool, id, giveUpAfter)
  if (begun === null) return
  const timer = setInterval(() => {
    renewTry(pool, begun)
      .then((isOurs) => !isOurs && clearInterval(timer))
      .catch((err) => log.warn({ err, mailing: id }, 'could not renew a try at preparing a mailing'))
  }, tryLease * 333)
  try {
    if (begun.isLate) throw new Error(begun.trouble ?? 'Tried in vain for too long.')
    await act()
  } catch (err) {
    const fault = { reason: tellTrouble(err), isOwn: isOfMailing(err), giveUpAfter }
    // Where the database is away that is all there is to tell, and the job's next try asks it again.
    const noted = await noteTrouble(pool, begun, fault).catch(() => null)
    if (noted === null) throw err
    const about = { err, mailing: id, tries: begun.n, nextAt: noted.nextAt }
    if (noted.state === 'failed') log.error(about, 'a mailing was given up: its letters cannot be prepared')
    else log.warn(about, 'the letters of a mailing cannot be prepared; it is tried again')
  } finally {
    clearInterval(timer)
  }
}

/**
 * Whether a fault lies in what the mailing carries: making the letter threw, or the database refused what was made.
 * Everything else is our own machine's: memory, files, the process that compiles, a database that is away.
 */
function isOfMailing(err: unknown): boolean {
  if (!(err instanceof LetterFault)) return /^2[23]/.test(codeOf(err))
  const { cause } = err
  return cause instanceof MjmlProcessFault ? cause.isOfSource : !systemFault.test(codeOf(cause))
}

/** ENOMEM, EMFILE and the like; not the ERR_… of Node's own checks, which find fault with a value. */
const systemFault = /^E(?!RR_)[A-Z0-9]+$/

const codeOf = (err: unknown) => String((err as { code?: unknown } | null)?.code ?? '')
