import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { uuidv7 } from 'uuidv7'
import { recordConsent } from '../../../shared/consent/consent.sql.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { openExpiring } from '../../../shared/links/expiring-link.ts'
import { findNewsroomById } from '../../../shared/newsroom/newsroom.sql.ts'
import { oweChangeNotice } from '../../../shared/notice/notice.sql.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import type { Db } from '../../../shared/postgres/pool.ts'
import { inTransaction } from '../../../shared/postgres/transaction.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import { findAddressChange, lockAddressChange } from '../../../shared/subscriber/address-change.sql.ts'
import type { AddressChange, AddressChangeId } from '../../../shared/subscriber/address-change.ts'
import { changeAddress, undoChange } from '../../../shared/subscriber/change-address.sql.ts'
import { findAddress } from '../../../shared/subscriber/subscriber.sql.ts'
import { followsAnything } from '../../../shared/subscription/move-subscription.sql.ts'
import { findWishes } from '../../../shared/subscription/wishes.sql.ts'
import { liftByConfirming } from '../../../shared/suppression/lift-by-confirming.sql.ts'
import { sendChoiceNote } from './choice-note.ts'
import { originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { htmlAnswer, pageQuery, problemAnswer, tokenParams } from './page-schemas.ts'
import { prefersPage } from './prefers-page.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { wordingOf } from './save-preferences.ts'
import { pathsOf } from './token-paths.ts'

type TokenRoute = { Params: { token: string } }

/** The two letters about a change of address, and what their buttons do. */
const doors = {
  'new-address': { from: 'asked', to: 'done', address: 'to', note: 'newAddress', done: 'newAddressDone' },
  'old-address': { from: 'done', to: 'undone', address: 'from', note: 'oldAddress', done: 'oldAddressDone' },
} as const
type DoorName = keyof typeof doors

// Nothing changes until the new address says yes, and then the old one is told and can take it back. Both links ask,
// and only their buttons act; pressed again they say how it stands.
export function addressChangeDoors(app: FastifyInstance, deps: ReaderDeps): void {
  for (const name of Object.keys(doors) as DoorName[])
    for (const { url, hide } of pathsOf(app, `/${name}/:token`)) {
      app.get<TokenRoute>(url, { schema: { ...askSchema(name), hide } }, async (request, reply) => {
        const { id, expired } = openLink(deps, name, request.params.token)
        const change = await findAddressChange(deps.pool, id)
        return answer(deps, request, reply, name, change, change && (await standing(deps.pool, name, change, expired)))
      })

      app.post<TokenRoute>(url, { schema: { ...actSchema(name), hide } }, async (request, reply) => {
        const { change, stands } = await act(deps, request, name)
        return answer(deps, request, reply, name, change, stands)
      })
    }
}

function openLink(deps: ReaderDeps, name: DoorName, token: string) {
  const link = openExpiring(deps.links, name, token, deps.now())
  if (!link) throw new Refusal('LINK_NOT_VALID')
  return { id: link.id as AddressChangeId, expired: link.expired }
}

type Standing = 'open' | 'done' | 'over'

/** A link that was used says so for as long as its change is remembered; an address deleted meanwhile ends it. */
async function standing(db: Db, name: DoorName, change: AddressChange, expired: boolean): Promise<Standing> {
  const door = doors[name]
  if (change.state === door.to) return 'done'
  if (change.state !== door.from || expired) return 'over'
  // Who has left everything meanwhile has nothing that could go to the new address.
  if (name === 'new-address' && !(await followsAnything(db, change.from))) return 'over'
  return (await findAddress(db, change[door.address])) === null ? 'over' : 'open'
}

async function act(deps: ReaderDeps, request: FastifyRequest<TokenRoute>, name: DoorName) {
  const { id, expired } = openLink(deps, name, request.params.token)
  const noticeId = uuidv7() as NoticeId
  const result = await inTransaction(deps.pool, async (tx) => {
    const now = deps.now()
    const change = await lockAddressChange(tx, id)
    if (!change) return { change, stands: null, owed: false, moved: [] }
    const stands = await standing(tx, name, change, expired)
    if (stands !== 'open') return { change, stands, owed: false, moved: [] }
    const moved = name === 'new-address' ? await changeAddress(tx, change, now) : await undoChange(tx, change, now)
    await liftByConfirming(tx, change[doors[name].address])
    const language = pageLanguage(request, [], (await findWishes(tx, change.subscriptionId))?.wishes.language ?? 'en')
    for (const { id, newsroomId } of moved)
      await recordConsent(
        tx,
        {
          act: 'changed',
          subscription: { id, newsroomId, subscriberId: change[doors[name].address] },
          door: `${name}-page`,
          language,
          wording: wordingOf([wordsFor(language, 'choices')(`${doors[name].note}.button`)]),
          formUrl: `${deps.publicUrl}/${name}`,
          originHash: originOf(deps, request),
          detail: { address: name === 'new-address' ? ['old', 'new'] : ['new', 'old'] },
        },
        now,
      )
    if (name !== 'new-address' || change.from === change.to || moved.length === 0)
      return { change, stands: 'done' as const, owed: false, moved }
    const notice = {
      id: noticeId,
      kind: 'address-changed',
      subscriptionId: change.subscriptionId,
      changeId: id,
    } as const
    return {
      change,
      moved,
      stands: 'done' as const,
      owed: await oweChangeNotice(tx, { ...notice, subscriberId: change.from }, now),
    }
  })
  if (result.owed) deps.wakeNotice(noticeId)
  // What a worker has in hand was claimed for the other address, which is told that nothing more comes to it.
  await Promise.all(result.moved.map(({ id }) => deps.afterOptOut(id)))
  return result
}

async function answer(
  deps: ReaderDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  name: DoorName,
  change: AddressChange | null,
  stands: Standing | null,
): Promise<FastifyReply> {
  const acted = request.method === 'POST'
  if (acted && !prefersPage(request)) {
    if (stands !== 'done') throw new Refusal('LINK_EXPIRED')
    return reply.send({ state: 'done' })
  }
  const held = change && (await findWishes(deps.pool, change.subscriptionId))
  const newsroom = held && (await findNewsroomById(deps.pool, held.newsroomId))
  const language = pageLanguage(request, [], held?.wishes.language ?? 'en')
  const door = doors[name]
  const address = change && (await findAddress(deps.pool, change[door.address]))
  if (stands === null || stands === 'over' || !address)
    return sendChoiceNote(request, reply, { newsroom, language, note: 'over', status: 410 })
  const note = stands === 'done' ? door.done : door.note
  return sendChoiceNote(request, reply, { newsroom, language, note, address, asks: stands === 'open' })
}

const summaries: Record<DoorName, readonly [asks: string, acts: string]> = {
  'new-address': [
    'Asks whether letters should come to a new address; changes nothing',
    'Moves a reader to their new address',
  ],
  'old-address': ['Asks whether to take a change of address back; changes nothing', 'Takes a change of address back'],
}

const askSchema = (name: DoorName) => ({
  tags: ['reader'],
  summary: summaries[name][0],
  params: tokenParams,
  querystring: pageQuery,
  response: { 200: htmlAnswer, 404: problemAnswer, 410: problemAnswer },
})

const actSchema = (name: DoorName) => ({
  tags: ['reader'],
  summary: summaries[name][1],
  params: tokenParams,
  querystring: pageQuery,
  response: {
    200: {
      description: 'It is done',
      content: {
        'application/json': { schema: Type.Object({ state: Type.Literal('done') }) },
        'text/html': { schema: Type.String() },
      },
    },
    404: problemAnswer,
    410: problemAnswer,
  },
})
