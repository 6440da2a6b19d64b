import type { FastifyInstance } from 'fastify'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { findLetters, nextLetter } from './find-letters.ts'
import type { InboxDeps } from './inbox-deps.ts'
import type { InboxLetter } from './letter-index.ts'
import { findLetter, openLetter, readLetter } from './open-letter.ts'
import { faultOfWish, type RefusalWish, textFor } from './refusal-rules.ts'

type Api = Pick<InboxDeps, 'store' | 'rules'>

const number = { type: 'integer', minimum: 0 }
const onlyId = { params: { type: 'object', required: ['id'], properties: { id: number } } }

/** The inbox for programs: the demonstration and the tests read letters here, and have addresses refused. */
export function addInboxApi(app: FastifyInstance, { store, rules }: Api, closing: AbortSignal): void {
  app.get<{ Querystring: { to?: string; after?: number } }>(
    '/letters',
    { schema: { querystring: { type: 'object', properties: { to: { type: 'string' }, after: number } } } },
    ({ query }) => findLetters(store, query).map(asListed),
  )

  app.get<{ Querystring: { to: string; after: number; wait: number } }>(
    '/letters/next',
    {
      schema: {
        querystring: {
          type: 'object',
          required: ['to'],
          properties: {
            to: { type: 'string', minLength: 1 },
            after: { ...number, default: 0 },
            wait: { type: 'number', minimum: 0, maximum: 120, default: 25 },
          },
        },
      },
    },
    async ({ query, raw }, reply) => {
      const gone = new AbortController()
      raw.socket.once('close', () => gone.abort())
      const giveUp = AbortSignal.any([gone.signal, closing, AbortSignal.timeout(query.wait * 1000)])
      const letter = await nextLetter(store, query, giveUp)
      return letter === null ? reply.code(204).send() : asListed(letter)
    },
  )

  app.get<{ Params: { id: number } }>('/letters/:id', { schema: onlyId }, async ({ params }) => {
    const letter = findLetter(store, params.id)
    const { html, text, headers, raw } = await openLetter(await readLetter(store, params.id))
    return { ...asListed(letter), text, html, headers, raw }
  })

  app.delete('/letters', async (_request, reply) => {
    await store.clear()
    return reply.code(204).send()
  })

  app.get('/refusals', () => rules.all())

  app.post<{ Body: { to: string; code: number; text?: string; times: number | null } }>(
    '/refusals',
    {
      schema: {
        body: {
          type: 'object',
          required: ['to'],
          properties: {
            to: { type: 'string' },
            code: { type: 'integer', default: 550 },
            text: { type: 'string' },
            times: { type: ['integer', 'null'], default: null },
          },
        },
      },
    },
    async ({ body }, reply) => {
      const wish: RefusalWish = {
        to: body.to.trim(),
        code: body.code,
        text: body.text ?? textFor(body.code),
        times: body.times,
      }
      const fault = faultOfWish(wish)
      if (fault !== null) throw new Refusal('BODY_NOT_VALID', [{ pointer: '', detail: fault }])
      return reply.code(201).send(await rules.add(wish))
    },
  )

  app.delete<{ Params: { id: number } }>('/refusals/:id', { schema: onlyId }, async ({ params }, reply) => {
    if (!(await rules.remove(params.id))) throw new Refusal('NOT_FOUND')
    return reply.code(204).send()
  })
}

/** What a program is told of a letter; where its bytes lie is the store's own business. */
const asListed = ({ id, to, from, sender, subject, receivedAt, size }: InboxLetter): InboxLetter => ({
  id,
  to,
  from,
  sender,
  subject,
  receivedAt,
  size,
})
