import type { FastifyInstance, FastifyReply } from 'fastify'
import { decodeWords } from 'postal-mime'
import { findLetters } from './find-letters.ts'
import type { InboxDeps } from './inbox-deps.ts'
import { bodyPolicy, hasRemoteImages, letterBody } from './letter-body.ts'
import type { LetterStore } from './letter-store.ts'
import { findLetter, openLetter, readLetter } from './open-letter.ts'
import { pageFiles, renderPage } from './page-templates.ts'
import { faultOfWish, isSpent, type RefusalWish, textFor } from './refusal-rules.ts'
import { describeSize, describeTime } from './said-plainly.ts'

const pageLength = 50
const views = ['html', 'text', 'headers', 'source'] as const
type View = (typeof views)[number]

const id = { type: 'integer', minimum: 0 }
const letterParams = {
  params: { type: 'object', properties: { id, view: { type: 'string', enum: [...views] } } },
  querystring: { type: 'object', properties: { images: { type: 'string', enum: ['1'] } } },
}
type LetterRequest = { Params: { id: number; view?: View }; Querystring: { images?: '1' } }

/** The inbox for people. Every page works without its script; the script only keeps the list fresh. */
export function addInboxPage(app: FastifyInstance, deps: InboxDeps): void {
  const { store } = deps
  for (const { path, type, content } of pageFiles) app.get(path, (_request, reply) => reply.type(type).send(content))

  app.get<{ Querystring: { to?: string; q?: string; before?: number } }>(
    '/',
    {
      schema: {
        querystring: { type: 'object', properties: { to: { type: 'string' }, q: { type: 'string' }, before: id } },
      },
    },
    ({ query }, reply) => sendPage(reply, 'letter-list', { ...common(deps), ...listOf(store, query) }),
  )

  app.post('/letters/delete-all', async (_request, reply) => {
    await store.clear()
    return reply.redirect('/', 303)
  })

  app.get<LetterRequest>('/letters/:id', { schema: letterParams }, (request, reply) => showLetter(deps, request, reply))
  app.get<LetterRequest>('/letters/:id/:view', { schema: letterParams }, (request, reply) =>
    showLetter(deps, request, reply),
  )

  app.get<LetterRequest>('/letters/:id/body', { schema: letterParams }, async ({ params, query }, reply) => {
    const letter = await openLetter(await readLetter(store, params.id))
    reply.header('content-security-policy', bodyPolicy(query.images === '1')).header('referrer-policy', 'no-referrer')
    return reply.type('text/html; charset=utf-8').send(letterBody(letter))
  })

  app.get<LetterRequest>('/letters/:id/letter.eml', { schema: letterParams }, async ({ params }, reply) => {
    const bytes = await readLetter(store, params.id)
    reply.header('content-disposition', `attachment; filename="letter-${params.id}.eml"`)
    return reply.type('message/rfc822').send(bytes)
  })

  addRefusalsPage(app, deps)
}

async function showLetter(
  deps: InboxDeps,
  { params, query }: { params: LetterRequest['Params']; query: LetterRequest['Querystring'] },
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { store } = deps
  const letter = findLetter(store, params.id)
  const opened = await openLetter(await readLetter(store, params.id))
  const view = params.view ?? (opened.html === null ? 'text' : 'html')
  const all = store.all()
  const place = all.findIndex((one) => one.id === letter.id)
  return sendPage(reply, 'letter', {
    ...common(deps),
    letter: { ...letter, time: describeTime(letter.receivedAt), length: describeSize(letter.size) },
    opened,
    headers: opened.headers.map(([name, value]) => [name, decodeWords(value)]),
    view,
    views,
    images: query.images === '1',
    blocksImages: opened.html !== null && query.images !== '1' && hasRemoteImages(opened.html),
    newer: all[place + 1]?.id ?? null,
    older: place > 0 ? (all[place - 1]?.id ?? null) : null,
  })
}

type RefusalForm = Record<'to' | 'kind' | 'code' | 'text' | 'often' | 'times', string>
const blankForm: RefusalForm = { to: '', kind: '550', code: '', text: '', often: 'once', times: '' }
const refusalForm = {
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(blankForm).map(([name, blank]) => [name, { type: 'string', default: blank }]),
  ),
}

function addRefusalsPage(app: FastifyInstance, deps: InboxDeps): void {
  const { rules } = deps
  const show = (reply: FastifyReply, form: object) =>
    sendPage(reply, 'refusals', { ...common(deps), rules: [...rules.all()].reverse(), isSpent, ...form })

  app.get<{ Querystring: { to?: string } }>('/refusals', ({ query }, reply) =>
    show(reply, { form: { ...blankForm, to: String(query.to ?? '') }, fault: null }),
  )

  app.post<{ Body: RefusalForm }>('/refusals', { schema: { body: refusalForm } }, async ({ body: form }, reply) => {
    const wish = readForm(form)
    const fault = faultOfWish(wish)
    if (fault !== null) return show(reply.code(422), { form, fault })
    await rules.add(wish)
    return reply.redirect('/refusals', 303)
  })

  app.post<{ Params: { id: number } }>(
    '/refusals/:id/remove',
    { schema: { params: { type: 'object', properties: { id } } } },
    async ({ params }, reply) => {
      await rules.remove(params.id)
      return reply.redirect('/refusals', 303)
    },
  )
}

function readForm(form: RefusalForm): RefusalWish {
  const custom = form.kind === 'custom'
  const code = Number(custom ? form.code : form.kind)
  const often: Record<string, number | null> = { once: 1, times: Number(form.times), always: null }
  return {
    to: form.to.trim(),
    code,
    text: custom && form.text.trim() ? form.text.trim() : textFor(code),
    times: often[form.often] ?? null,
  }
}

function listOf(store: LetterStore, query: { to?: string; q?: string; before?: number }) {
  const found = findLetters(store, { to: query.to, words: query.q, before: query.before }).reverse()
  const letters = found
    .slice(0, pageLength)
    .map((letter) => ({ ...letter, time: describeTime(letter.receivedAt), length: describeSize(letter.size) }))
  const last = letters.at(-1)
  return {
    letters,
    found: found.length,
    query,
    older: last !== undefined && found.length > pageLength ? last.id : null,
    link: linkWith(query),
  }
}

/** The list's address with other words in it. */
const linkWith = (query: object) => (change: Record<string, string | number>) => {
  const wanted = new URLSearchParams()
  for (const [name, value] of Object.entries({ ...query, ...change })) {
    if (value !== undefined && value !== '') wanted.set(name, String(value))
  }
  return wanted.size === 0 ? '/' : `/?${wanted}`
}

const common = ({ store, rules, smtpPort, publicUrl }: InboxDeps) => ({
  count: store.all().length,
  refusing: rules.all().filter((rule) => !isSpent(rule)).length,
  smtpPort,
  publicUrl,
})

const sendPage = (reply: FastifyReply, ...page: Parameters<typeof renderPage>): FastifyReply =>
  reply.type('text/html; charset=utf-8').send(renderPage(...page))
