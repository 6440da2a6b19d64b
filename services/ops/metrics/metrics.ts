import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { spentShares } from '../../../shared/budget/budget.sql.ts'
import { watchedBudgets } from '../../../shared/budget/budget.ts'
import { listDigestHours, listOpenHours } from '../../../shared/digest/digest-cut.sql.ts'
import { readHeldDoubts } from '../../../shared/mailing/held-doubts.sql.ts'
import { readLately } from '../../../shared/mailing/lately.sql.ts'
import {
  countMailingsByState,
  readMachineFigures,
  sumLiveDeliveries,
} from '../../../shared/mailing/machine-figures.sql.ts'
import { readTroubledMailings } from '../../../shared/mailing/troubled-mailings.sql.ts'
import { listChores } from '../../../shared/worker/chore.sql.ts'
import { listWorkers } from '../../../shared/worker/worker.sql.ts'
import { isCutOff, isSilent } from '../../../shared/worker/worker.ts'
import { agesOfChores } from '../machine/judge-chores.ts'
import { lateDigests } from '../machine/judge-digests.ts'
import { countQueues } from '../machine/queue-counts.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { stateNames } from '../pages/words.ts'

type MetricsDeps = Pick<OpsDeps, 'pool' | 'now' | 'log' | 'boards'>

/** The figures an alert watches, for Prometheus; behind the login, or the operators' password by HTTP Basic. */
export function metricsDoor(app: FastifyInstance, deps: MetricsDeps): void {
  const ofProcess = new Registry()
  collectDefaultMetrics({ register: ofProcess })

  app.get('/metrics', { config: { door: 'scraper', unattended: true } }, async (_request, reply) => {
    const ofMailings = await measureOrTell(deps)
    reply.type(ofProcess.contentType)
    return `${await ofProcess.metrics()}\n${await ofMailings.metrics()}`
  })
}

/**
 * Gauges made for one scrape: with the database away only `database_up` is told, because a zero or the figure of a
 * minute ago would say that all is well.
 */
async function measureOrTell(deps: MetricsDeps): Promise<Registry> {
  const up = (register: Registry, value: number) =>
    new Gauge({
      name: 'pressebud_database_up',
      help: '1 when PostgreSQL answered this scrape and may be written to.',
      registers: [register],
    }).set(value)
  try {
    const register = new Registry()
    const { isReadOnly } = await measure(deps, gaugesOf(register))
    up(register, isReadOnly ? 0 : 1)
    return register
  } catch (error) {
    deps.log.error({ err: error }, 'could not measure the mailings')
    const register = new Registry()
    up(register, 0)
    return register
  }
}

const gaugesOf = (register: Registry) => {
  const make = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `pressebud_${name}`, help, labelNames, registers: [register] })
  return {
    mailings: make('mailings', 'Mailings by state.', ['state']),
    paused: make('mailings_paused', 'Mailings an operator has paused.'),
    longestPause: make(
      'longest_pause_seconds',
      'How long the longest paused mailing could have been under way; 0 for none.',
    ),
    troubled: make(
      'mailings_troubled',
      'Mailings whose letters cannot be prepared and that are tried again; those given up are mailings{state="failed"}.',
    ),
    oldestTrouble: make(
      'oldest_trouble_seconds',
      'How long the one of them in trouble for longest has been; 0 for none.',
    ),
    openChunks: make('chunks_open', 'Chunks with letters not yet settled.'),
    dueChunks: make('chunks_due', 'Chunks that may be worked now and that nobody holds.'),
    lapsed: make('chunks_lapsed', 'Chunks whose worker let its lease run out.'),
    oldestDue: make('oldest_due_chunk_seconds', 'How long the oldest due chunk has waited; 0 when none waits.'),
    stalled: make(
      'stalled_seconds',
      'How long due chunks have waited with no worker at any chunk; 0 while work goes on.',
    ),
    inVain: make(
      'longest_in_vain_seconds',
      'How long the worst chunk has been in hand, again and again, with no letter coming to an outcome; 0 for none.',
    ),
    oldestUncut: make('oldest_uncut_mailing_seconds', 'How long the oldest due mailing has waited to be cut whole.'),
    oldestDigest: make(
      'oldest_uncut_digest_seconds',
      'How long ago the hour of the oldest digests came that are not dealt; 0 when all are.',
    ),
    noticesDue: make('notices_due', 'Notices that should have left by now.'),
    oldestNotice: make('oldest_due_notice_seconds', 'How long the oldest overdue notice has waited.'),
    signUpCeiling: make(
      'sign_up_ceiling_used',
      'Share of the ceiling of sign-ups that is used: of the newsroom nearest to its own, and of the installation. 1: new sign-ups are refused.',
      ['ceiling'],
    ),
    signUpUsual: make(
      'sign_ups_usual_used',
      'Share of the usual number of sign-ups that is used, likewise. 1: a proof of work is asked for.',
      ['ceiling'],
    ),
    slowLane: make(
      'sign_up_slow_lane_used',
      'How full the queue of those without a proof of work is; 1: an hour long.',
    ),
    choreAge: make('chore_age_seconds', 'How long ago each chore of the workers’ clock last came to its end.', [
      'chore',
    ]),
    queueUp: make('queue_up', '1 when the queue answered this scrape.', ['queue']),
    workers: make('workers', 'Workers processes heard within the last half minute.'),
    heartbeat: make(
      'worker_heartbeat_age_seconds',
      'How long ago the workers process heard last was heard; +Inf when there is none.',
    ),
    journalless: make('workers_without_journal', 'Workers processes heard that keep no journal of hand-overs.'),
    cutOff: make('workers_cut_off', 'Workers processes heard that cannot use the mail host.'),
    heldDoubts: make('held_doubts', 'Letters held in doubt until an operator settles them, of all mailings.'),
    givenUp: make('letters_given_up', 'Letters given up, of mailings that are under way or ended within a day.'),
    fallingShort: make(
      'mailings_falling_short',
      'Mailings, likewise, that more than a tenth of their readers will not get.',
    ),
    doubts: make('doubts', 'Attempts that ended in doubt, likewise: sent again, each may be a second copy.'),
    takenLately: make('letters_taken_last_minute', 'Letters the mail host took within about a minute.'),
    deliveries: make('live_deliveries', 'Letters of mailings not over, by what became of them.', ['state']),
  }
}

async function measure(deps: MetricsDeps, gauge: ReturnType<typeof gaugesOf>): Promise<{ isReadOnly: boolean }> {
  const now = deps.now()
  const [figures, mailings, deliveries, spent, workers, doubts, troubled, lately, hours, open, chores, queues] =
    await Promise.all([
      readMachineFigures(deps.pool, now),
      countMailingsByState(deps.pool),
      sumLiveDeliveries(deps.pool),
      spentShares(deps.pool, budgetNames, now),
      listWorkers(deps.pool),
      readHeldDoubts(deps.pool, 1),
      readTroubledMailings(deps.pool, 1),
      readLately(deps.pool, now),
      listDigestHours(deps.pool),
      listOpenHours(deps.pool),
      listChores(deps.pool),
      countQueues(deps.boards),
    ])
  const age = (since: Date | null | undefined) => (since ? Math.max(0, (now.getTime() - since.getTime()) / 1000) : 0)
  // Every state each time, so that none stays at the number it had before it emptied.
  const found = new Map(mailings.map(({ state, mailings: count }) => [state, count]))
  for (const state of stateNames) gauge.mailings.set({ state }, found.get(state) ?? 0)
  for (const [state, count] of Object.entries(deliveries)) gauge.deliveries.set({ state }, count)
  gauge.paused.set(figures.pausedMailings)
  gauge.troubled.set(troubled.tried)
  gauge.oldestTrouble.set(age(troubled.triedSince))
  gauge.openChunks.set(figures.openChunks)
  gauge.dueChunks.set(figures.dueChunks)
  gauge.lapsed.set(figures.lapsedLeases)
  gauge.oldestDue.set(age(figures.oldestDueChunk?.since))
  gauge.longestPause.set(age(figures.pausedSince))
  gauge.inVain.set(age(figures.longestInVain?.since))
  for (const { name, seconds } of agesOfChores(chores, now)) gauge.choreAge.set({ chore: name }, seconds)
  for (const { name, counts } of queues) gauge.queueUp.set({ queue: name }, counts === null ? 0 : 1)
  gauge.stalled.set(age(figures.stalledSince))
  gauge.oldestUncut.set(age(figures.oldestUncutSince))
  gauge.oldestDigest.set(age(lateDigests(hours, open, now).oldest))
  for (const ceiling of ['newsroom', 'installation'] as const) {
    gauge.signUpCeiling.set({ ceiling }, spent.get(watchedBudgets.ceilings[ceiling]) ?? 0)
    gauge.signUpUsual.set({ ceiling }, spent.get(watchedBudgets.usual[ceiling]) ?? 0)
  }
  gauge.slowLane.set(spent.get(watchedBudgets.slowLane) ?? 0)
  const heard = workers.filter((worker) => !isSilent(worker, now))
  gauge.workers.set(heard.length)
  gauge.journalless.set(heard.filter(({ keepsJournal }) => !keepsJournal).length)
  gauge.heartbeat.set(
    workers.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...workers.map(({ beatAt }) => age(beatAt))),
  )
  gauge.cutOff.set(workers.filter((worker) => isCutOff(worker, now)).length)
  gauge.heldDoubts.set(doubts.letters)
  gauge.givenUp.set(lately.failed)
  gauge.fallingShort.set(lately.fallingShort)
  gauge.doubts.set(lately.doubted)
  gauge.takenLately.set(heard.reduce((sum, { acceptedLately }) => sum + acceptedLately, 0))
  gauge.noticesDue.set(figures.dueNotices)
  gauge.oldestNotice.set(age(figures.oldestNoticeSince))
  return figures
}

const budgetNames = [
  ...Object.values(watchedBudgets.ceilings),
  ...Object.values(watchedBudgets.usual),
  watchedBudgets.slowLane,
]
