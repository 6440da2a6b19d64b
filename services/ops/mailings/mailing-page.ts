import type { FastifyInstance } from 'fastify'
import type { Telling } from '../../../shared/digest/digest.ts'
import { listItemTitles } from '../../../shared/digest/digest-items.sql.ts'
import { languageNames } from '../../../shared/language/language.ts'
import { listAttempts, listChunks, listDoubts, listRenderings } from '../../../shared/mailing/mailing-details.sql.ts'
import {
  findMailingProgress,
  listMailingsById,
  type MailingProgress,
} from '../../../shared/mailing/mailing-progress.sql.ts'
import { reopenStates } from '../../../shared/mailing/reopen-mailing.sql.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { maskAddress, maskAddresses } from '../../../shared/subscriber/mask-address.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { renderPage } from '../pages/pages.ts'
import { chunkState, figureNames, figureWords, phaseOf, stateWords, verdictOf } from '../pages/words.ts'
import { liveFigures, viewMailing } from './mailing-view.ts'

/** More would not be read, and a mailing to a million readers has two thousand chunks. */
const mostChunks = 200
const mostAttempts = 50
const mostDoubts = 50
const mostAtOnce = 50

type PageDeps = Pick<OpsDeps, 'pool' | 'now'>

/** One mailing from near, and the figures its page asks for again and again. */
export function mailingPage(app: FastifyInstance, deps: PageDeps): void {
  app.get<{ Params: { id: string } }>('/mailings/:id', async (request, reply) => {
    const mailing = await findOrRefuse(deps, request.params.id)
    const said = saidOf(request.session.get('said'))
    if (said !== null) request.session.set('said', undefined)
    reply.type('text/html; charset=utf-8')
    return showMailing(deps, mailing, said)
  })

  app.get<{ Params: { id: string } }>('/mailings/:id/progress', { config: { unattended: true } }, async (request) => {
    const mailing = await findOrRefuse(deps, request.params.id)
    return { mailings: [liveFigures(viewMailing(mailing, deps.now()))] }
  })

  app.get<{ Querystring: { id?: unknown } }>('/progress', { config: { unattended: true } }, async (request) => {
    const asked = [request.query.id].flat().filter((id): id is string => typeof id === 'string' && isNumber.test(id))
    const mailings = await listMailingsById(deps.pool, asked.slice(0, mostAtOnce))
    return { mailings: mailings.map((mailing) => liveFigures(viewMailing(mailing, deps.now()))) }
  })
}

/** `said`: what the last button did, in a sentence. */
export type Said = { readonly text: string; readonly wrong: boolean }

export async function showMailing(deps: PageDeps, mailing: MailingProgress, said: Said | null): Promise<string> {
  const { pool } = deps
  const now = deps.now()
  const [chunks, attempts, doubts, renderings, items] = await Promise.all([
    listChunks(pool, mailing.id, mostChunks),
    listAttempts(pool, mailing.id, mostAttempts),
    mailing.totals.inDoubt > 0 ? listDoubts(pool, mailing.id, mostDoubts) : [],
    listRenderings(pool, mailing.id),
    mailing.digest === null ? [] : listItemTitles(pool, mailing.id),
  ])
  const view = viewMailing(mailing, now)
  return renderPage('mailing', {
    ...view,
    now,
    said,
    underlying: stateWords(mailing.state),
    sendsStill: reopenStates.includes(mailing.state),
    figureNames,
    figureWords,
    feed: view.moves ? `/mailings/${mailing.id}/progress` : null,
    page: `/mailings/${mailing.id}`,
    chunks: chunks.map((chunk) => ({ ...chunk, words: chunkState(chunk.state), hold: holdOf(chunk.leaseUntil, now) })),
    attempts: attempts.map((attempt) => ({
      ...attempt,
      who: maskAddress(attempt.address),
      words: verdictOf(attempt.verdict),
      where: phaseOf(attempt.phase),
      reply: maskAddresses(attempt.detail),
    })),
    doubts: doubts.map((doubt) => ({
      ...doubt,
      who: maskAddress(doubt.address),
      reply: maskAddresses(doubt.detail ?? ''),
    })),
    items: items.map((item) => ({
      ...item,
      title: item.title?.trim() || '(no title)',
      words: tellingWords[item.telling],
    })),
    renderings: renderings.map((rendering) => ({
      ...rendering,
      name: languageNames[rendering.language as keyof typeof languageNames] ?? rendering.language,
    })),
  })
}

const tellingWords: Record<Telling, string> = {
  new: 'Told for the first time.',
  amended: 'Told for the first time, and marked: its text was corrected before.',
  correction: 'Told as a correction: these readers have an earlier text.',
}

export async function findOrRefuse(deps: Pick<OpsDeps, 'pool'>, id: string): Promise<MailingProgress> {
  const mailing = isNumber.test(id) ? await findMailingProgress(deps.pool, id) : null
  if (mailing === null) throw new Refusal('MAILING_UNKNOWN')
  return mailing
}

// Eighteen digits always fit a bigint.
const isNumber = /^[1-9]\d{0,17}$/

const acts: Readonly<Record<string, string>> = {
  paused: 'Paused. Letters already under way end; no further one is begun.',
  resumed: 'Resumed. It goes on within a few seconds, or once its hour has come.',
  'paused-given-up': 'Paused. It was given up, so nothing of it leaves anyhow; Try again ends the pause as well.',
  'resumed-given-up': 'Not paused any more. It was given up: nothing of it leaves until you press Try again.',
  cancelled: 'Cancelled. What was not sent stays unsent.',
  'tried-again': 'Set going. Workers try to prepare its letters within a few seconds.',
  'settled-again': 'The letters in doubt are due again. Workers take them up within a few seconds.',
  'settled-sent': 'The letters in doubt are counted as sent.',
  'settled-some':
    'Settled, but for those a worker has in hand at this moment. For the rest press again in a second; where a worker was lost, in a minute.',
}
const saidOf = (act: unknown): Said | null =>
  typeof act === 'string' && acts[act] !== undefined ? { text: acts[act], wrong: false } : null

function holdOf(leaseUntil: Date | null, now: Date): 'held' | 'lapsed' | 'free' {
  if (leaseUntil === null) return 'free'
  return leaseUntil > now ? 'held' : 'lapsed'
}
