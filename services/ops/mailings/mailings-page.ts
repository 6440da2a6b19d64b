import type { FastifyInstance } from 'fastify'
import { mailingKinds } from '../../../shared/mailing/mailing.ts'
import { listMailings, type MailingFilter } from '../../../shared/mailing/mailing-progress.sql.ts'
import { listNewsrooms } from '../../../shared/newsroom/newsroom.sql.ts'
import { isSlug } from '../../../shared/newsroom/newsroom.ts'
import { lookOver } from '../machine/look-over.ts'
import type { OpsDeps } from '../ops-deps.ts'
import { renderPage } from '../pages/pages.ts'
import { figureWords, isLive, kindChoices, pausedWords, stateNames, stateWords, troubledWords } from '../pages/words.ts'

import { viewMailing } from './mailing-view.ts'

const pageSize = 25

type Query = Readonly<Record<string, unknown>>

/** The front of the desk: every mailing of every newsroom, newest first. */
export function mailingsPage(app: FastifyInstance, deps: Pick<OpsDeps, 'pool' | 'now' | 'boards'>): void {
  app.get<{ Querystring: Query }>('/', async (request, reply) => {
    const wanted = readFilter(request.query)
    const now = deps.now()
    const [newsrooms, found, { findings }] = await Promise.all([
      listNewsrooms(deps.pool),
      listMailings(deps.pool, { ...wanted, limit: pageSize + 1 }),
      lookOver(deps, now, 1),
    ])
    const mailings = found.slice(0, pageSize)
    const last = found.length > pageSize ? mailings.at(-1) : undefined
    const { newsroom, kind, state } = choicesOf(request.query)
    const keep = { ...(newsroom ? { newsroom } : {}), ...(kind ? { kind } : {}), ...(state ? { state } : {}) }
    reply.type('text/html; charset=utf-8')
    return renderPage('mailings', {
      title: 'Mailings',
      now,
      mailings: mailings.map((mailing) => viewMailing(mailing, now)),
      newsrooms,
      newsroom,
      kind,
      kinds: [{ value: '', label: 'Any kind' }, ...kindChoices],
      state,
      states: stateChoices,
      filtered: newsroom !== '' || kind !== null || state !== '',
      findings: findings.filter((finding) => finding.wrong),
      figureWords,
      stateWords: [...stateNames.map(stateWords), troubledWords],
      paused: pausedWords,
      older: last ? `/?${new URLSearchParams({ ...keep, before: last.id })}` : null,
      newest: wanted.before === null ? null : `/?${new URLSearchParams(keep)}`,
      feed: mailings.some((mailing) => isLive(mailing.state))
        ? `/progress?${new URLSearchParams(mailings.map(({ id }): [string, string] => ['id', id]))}`
        : null,
    })
  })
}

const stateChoices = [
  { value: '', label: 'Any state' },
  { value: 'live', label: 'Not over yet' },
  { value: 'paused', label: 'Paused' },
  ...stateNames.map((name) => ({ value: name, label: stateWords(name).label })),
]

const choicesOf = (query: Query) => ({
  newsroom: typeof query.newsroom === 'string' && isSlug(query.newsroom) ? query.newsroom : '',
  kind: mailingKinds.find((kind) => kind === query.kind) ?? null,
  state: stateChoices.find(({ value }) => value === query.state)?.value ?? '',
})

function readFilter(query: Query): Omit<MailingFilter, 'limit'> {
  const { newsroom, kind, state } = choicesOf(query)
  const live = state === 'live' || state === 'paused' ? stateNames.filter(isLive) : null
  return {
    newsroom: newsroom === '' ? null : newsroom,
    states: live ?? (state === '' ? null : [state]),
    paused: state === 'paused' ? true : null,
    kind,
    before: typeof query.before === 'string' && /^\d{1,18}$/.test(query.before) ? query.before : null,
  }
}
