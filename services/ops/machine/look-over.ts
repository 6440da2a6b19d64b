import { listDigestHours, listOpenHours } from '../../../shared/digest/digest-cut.sql.ts'
import { type HeldDoubts, readHeldDoubts } from '../../../shared/mailing/held-doubts.sql.ts'
import { readLately } from '../../../shared/mailing/lately.sql.ts'
import { readMachineFigures } from '../../../shared/mailing/machine-figures.sql.ts'
import { readTroubledMailings, type TroubledMailings } from '../../../shared/mailing/troubled-mailings.sql.ts'
import { listChores } from '../../../shared/worker/chore.sql.ts'
import { listWorkers } from '../../../shared/worker/worker.sql.ts'
import type { WorkerStanding } from '../../../shared/worker/worker.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { judgeChores } from './judge-chores.ts'
import { judgeDigests, lateDigests } from './judge-digests.ts'
import { judgeLetters } from './judge-letters.ts'
import { type Finding, judgeMachine } from './judge-machine.ts'
import { judgeQueues } from './judge-queues.ts'
import { judgeTroubles } from './judge-troubles.ts'
import { judgeWorkers } from './judge-workers.ts'
import { countQueues, type QueueCounts } from './queue-counts.ts'

export type LookedOver = {
  readonly findings: readonly Finding[]
  readonly workers: readonly WorkerStanding[]
  readonly doubts: HeldDoubts
  readonly troubled: TroubledMailings
  readonly queues: readonly QueueCounts[]
}

/** Everything that may need somebody, judged. `most`: mailings named of each kind. */
export async function lookOver(
  { pool, boards }: Pick<OpsDeps, 'pool' | 'boards'>,
  now: Date,
  most: number,
): Promise<LookedOver> {
  const [figures, workers, doubts, troubled, lately, hours, open, chores, queues] = await Promise.all([
    readMachineFigures(pool, now),
    listWorkers(pool),
    readHeldDoubts(pool, most),
    readTroubledMailings(pool, most),
    readLately(pool, now),
    listDigestHours(pool),
    listOpenHours(pool),
    listChores(pool),
    countQueues(boards),
  ])
  const findings = [
    ...judgeWorkers(workers, now),
    ...judgeQueues(queues),
    ...judgeTroubles(troubled, now),
    ...judgeLetters(lately, doubts),
    ...judgeMachine(figures, now),
    judgeDigests(lateDigests(hours, open, now), now),
    judgeChores(chores, now),
  ]
  return { findings, workers, doubts, troubled, queues }
}
