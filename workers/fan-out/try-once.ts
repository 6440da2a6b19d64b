import { MjmlProcessFault } from '../../shared/letter/mjml-compiler.ts'
import type { Log } from '../../shared/log/log.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { beginTry, endTry, noteTrouble, renewTry, type Try } from '../../shared/mailing/tries.sql.ts'
import { ordinaryTry, tellTrouble, tryLease } from '../../shared/mailing/trouble.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { fanOutJob } from '../../shared/queues/jobs.ts'
import type { Wake } from '../../shared/queues/wake.ts'
import { LetterFault } from './prepare-letters.ts'

export type TryDeps = {
  readonly pool: Pool
  readonly log: Log
  readonly wake: Wake
  /** Seconds from the first fault of our own machine until a mailing is given up for it. */
  readonly giveUpAfter: number
  readonly slowTries: SlowTries
}

/** Tries that go on although their job is over. */
export type SlowTries = {
  /** Sees one to its end. False: there are as many as there is memory for, and the job has to. */
  take(seeToIt: () => Promise<void>): boolean
}

/** Each has a process of 85 MB for a letter that will not come. */
const mostSlow = 4

export function openSlowTries(log: Log): SlowTries {
  let slow = 0
  return {
    take: (seeToIt) => {
      if (slow >= mostSlow) return false
      slow += 1
      seeToIt()
        .catch((err) => log.warn({ err }, 'a try at preparing a mailing was broken off; it is made again'))
        .finally(() => {
          slow -= 1
        })
      return true
    },
  }
}

/**
 * Makes one try at a mailing that is due, and writes down why it did not succeed: PostgreSQL counts the tries and says
 * when the next one is, so that a release which cannot be made into a letter comes back less and less, takes nobody
 * else's place, and ends with its reason. Nothing is done where another has it in hand or it rests.
 *
 * One whose letters take longer to prepare than any should gives its place away: it goes on without a job, and when it
 * succeeds it asks for one anew.
 */
export async function tryOnce(
  deps: TryDeps,
  id: MailingId,
  { prepare, goOn }: { prepare: () => Promise<void>; goOn: () => Promise<void> },
): Promise<void> {
  const begun = await beginTry(deps.pool, id, deps.giveUpAfter)
  if (begun === null) return
  const prepared = keeping(deps, begun, async () => {
    if (begun.isLate) throw new Error(begun.trouble ?? 'Tried in vain for too long.')
    await prepare()
  })
  const later = async () => {
    if (!(await prepared)) return
    await endTry(deps.pool, begun)
    deps.wake('fan-out', [fanOutJob(id, begun.n)])
  }
  if ((await isSlow(prepared)) && deps.slowTries.take(later)) return
  if (await prepared) await orNoted(deps, begun, goOn)
}

/** Prepares while the try is kept. */
async function keeping(deps: TryDeps, begun: Try, prepare: () => Promise<void>): Promise<boolean> {
  const { pool, log } = deps
  const timer = setInterval(
    () => {
      renewTry(pool, begun)
        .then((isOurs) => !isOurs && clearInterval(timer))
        .catch((err) => log.warn({ err, mailing: begun.mailingId }, 'could not renew a try at preparing a mailing'))
    },
    (tryLease * 1000) / 3,
  )
  return orNoted(deps, begun, prepare).finally(() => clearInterval(timer))
}

/** Whether it was done; where it was not, why is written down. */
async function orNoted(deps: TryDeps, begun: Try, act: () => Promise<void>): Promise<boolean> {
  const { pool, log, giveUpAfter } = deps
  try {
    await act()
    return true
  } catch (err) {
    const fault = { reason: tellTrouble(err), isOwn: isOfMailing(err), giveUpAfter }
    // Where the database is away that is all there is to tell, and the job's next try asks it again.
    const noted = await noteTrouble(pool, begun, fault).catch(() => null)
    if (noted === null) throw err
    const about = { err, mailing: begun.mailingId, tries: begun.n, nextAt: noted.nextAt }
    if (noted.state === 'failed') log.error(about, 'a mailing was given up: its letters cannot be prepared')
    else log.warn(about, 'the letters of a mailing cannot be prepared; it is tried again')
    return false
  }
}

async function isSlow(prepared: Promise<boolean>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const slow = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, ordinaryTry * 1000, true)
  })
  const over = prepared.then(
    () => false,
    () => false,
  )
  return Promise.race([over, slow]).finally(() => clearTimeout(timer))
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
