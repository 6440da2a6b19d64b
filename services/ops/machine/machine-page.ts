import type { FastifyInstance } from 'fastify'
import { type DomainPace, listPaces } from '../../../shared/delivery/pace.sql.ts'
import { listMailingsById } from '../../../shared/mailing/mailing-progress.sql.ts'
import { isCutOff, isSilent, type WorkerStanding } from '../../../shared/worker/worker.ts'
import { viewMailing } from '../mailings/mailing-view.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { rate } from '../pages/format.ts'
import { renderPage } from '../pages/pages.ts'
import { lookOver } from './look-over.ts'

/** Domains that have a pace are few; where a whole provider's customers are held, the worst are shown. */
const mostPaces = 100
const mostMailings = 20

export type MachineDeps = Pick<OpsDeps, 'pool' | 'now' | 'boards'>

/** What waits in the whole house, what holds it up, and how the queues stand. */
export function machinePage(app: FastifyInstance, deps: MachineDeps): void {
  app.get('/machine', async (request, reply) => {
    const freed = request.session.get('freed')
    if (freed !== undefined) request.session.set('freed', undefined)
    reply.type('text/html; charset=utf-8')
    return showMachine(deps, typeof freed === 'string' ? { text: freedWords(freed), wrong: false } : null)
  })
}

/** `said`: what the last button did, in a sentence. */
export async function showMachine(
  deps: MachineDeps,
  said: { readonly text: string; readonly wrong: boolean } | null,
): Promise<string> {
  const now = deps.now()
  const [{ findings, workers, doubts, troubled, queues }, { paces, all }] = await Promise.all([
    lookOver(deps, now, mostMailings),
    listPaces(deps.pool, now, mostPaces),
  ])
  const listed = (ids: readonly string[]) => (ids.length === 0 ? [] : listMailingsById(deps.pool, ids))
  const [doubtful, inTrouble] = await Promise.all([listed(doubts.newest), listed(troubled.newest)])
  return renderPage('machine', {
    title: 'Machine',
    now,
    said,
    findings,
    wrong: findings.filter((finding) => finding.wrong),
    paces: paces.map((pace) => viewPace(pace, now)),
    allPaces: all,
    workers: workers.map((worker) => viewWorker(worker, now)),
    doubts,
    doubtful: doubtful.map((mailing) => viewMailing(mailing, now)),
    allTroubled: troubled.failed + troubled.tried,
    troubled: inTrouble.map((mailing) => viewMailing(mailing, now)),
    queues,
  })
}

const freedWords = (domain: string) =>
  `${domain} runs free. Letters put off before this keep the turn they were given; all others leave as they are due.`

function viewPace(pace: DomainPace, now: Date) {
  const isHeld = pace.heldUntil > now.getTime()
  return {
    domain: pace.domain,
    why: pace.reason === 'slow' ? 'Slow' : isHeld ? 'Held' : 'Recovering',
    meaning:
      pace.reason === 'slow'
        ? 'Answers slowly'
        : isHeld
          ? `Its provider refused us; hold ${pace.holds} in a row`
          : 'Its provider refused us; begun again',
    tone: pace.reason === 'slow' ? 'live' : 'held',
    rate: rate(pace.rate),
    heldUntil: isHeld ? new Date(pace.heldUntil) : null,
    changedAt: new Date(pace.changedAt),
    detail: pace.detail,
  }
}

function viewWorker(worker: WorkerStanding, now: Date) {
  const isBad = isCutOff(worker, now)
  return {
    ...worker,
    state: isSilent(worker, now)
      ? { label: 'Silent', tone: 'stopped' }
      : isBad
        ? { label: 'Cut off', tone: 'wrong' }
        : { label: 'Works', tone: 'live' },
    isBad,
    restsUntil: worker.trouble !== null && worker.trouble.restsUntil > now ? worker.trouble.restsUntil : null,
  }
}
