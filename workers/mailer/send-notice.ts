import { fillLetter } from '../../shared/letter/fill.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import type { LinkKeys } from '../../shared/links/token.ts'
import { sealToken } from '../../shared/links/token.ts'
import type { Log } from '../../shared/log/log.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import { type ClaimedNotice, claimNotice, recordNotice } from '../../shared/notice/notice-claims.sql.ts'
import { confirmationNumbers } from '../../shared/notice/notice-token.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { endBounced } from '../../shared/subscription/end-bounced.sql.ts'
import { suppressBounced } from '../../shared/suppression/suppression.sql.ts'
import { judgeOutcome } from './judge-outcome.ts'
import type { PreparedNotices } from './prepared-notices.ts'
import type { RetryCurve } from './retry-curve.ts'
import type { LetterTransport } from './signing-transport.ts'

export type NoticeDeps = {
  readonly pool: Pool
  readonly log: Log
  /** Connections of its own, so that a confirmation is never behind bulk. */
  readonly transport: LetterTransport
  readonly links: LinkKeys
  readonly notices: PreparedNotices
  readonly mailDomain: string
  readonly curve: RetryCurve
  readonly now: () => Date
  readonly chance: () => number
  readonly stopping: () => boolean
}

/** A notice is awaited by somebody at a screen: it is tried again soon, whatever the curve of bulk mail says. */
const relayRest = 5

/** Sends one transactional letter, if it is due and still of use. */
export async function sendNotice(deps: NoticeDeps, id: NoticeId): Promise<void> {
  const notice = await claimNotice(deps.pool, id)
  if (notice === null) return
  if (!isOfUse(notice))
    return recordNotice(deps.pool, notice, { state: 'suppressed', wait: null, reply: null, counts: true })

  const prepared = await deps.notices.of(notice.newsroomId, notice.kind, notice.language)
  const reader = {
    to: notice.address,
    messageId: `notice-${notice.id}@${deps.mailDomain}`,
    date: mailDate(deps.now()),
    token: tokenFor(deps, notice),
  }
  const outcome = await deps.transport.send({
    envelope: { from: `n+${notice.id}@${deps.mailDomain}`, to: notice.address, envid: notice.id },
    parts: fillLetter(prepared, reader),
    mayStart: () => !deps.stopping(),
    prepared,
    reader,
  })
  const verdict = judgeOutcome(outcome, {
    attempt: notice.attempt,
    curve: deps.curve,
    doubt: 'resend',
    chance: deps.chance(),
  })
  if (verdict.relay !== undefined)
    deps.log.warn({ notice: id, detail: verdict.relay }, 'the mail host cannot be used; the notice waits')
  if (verdict.state === 'bounced') {
    await suppressBounced(deps.pool, [notice.subscriptionId])
    await endBounced(deps.pool, [notice.subscriptionId])
  }
  const again = verdict.state === 'due' || verdict.state === 'deferred' || verdict.state === 'in_doubt'
  await recordNotice(deps.pool, notice, {
    state: again ? 'deferred' : (verdict.state as 'sent' | 'bounced' | 'failed'),
    wait: again ? (verdict.wait ?? relayRest) : null,
    reply: verdict.reply ?? verdict.relay ?? null,
    counts: verdict.begun,
  })
  deps.log.info({ notice: id, kind: notice.kind, state: verdict.state, attempt: notice.attempt }, 'notice tried')
}

type Sendable = ClaimedNotice & { readonly address: string }

// A confirmation answered or disowned meanwhile, an address that may get no mail: nothing more to say.
const isOfUse = (notice: ClaimedNotice): notice is Sendable =>
  notice.address !== null &&
  !notice.barred &&
  notice.subscriptionState === (notice.kind === 'confirmation' ? 'pending' : 'active')

const tokenFor = (deps: NoticeDeps, notice: ClaimedNotice) =>
  notice.kind === 'confirmation'
    ? sealToken(
        deps.links,
        'confirm',
        confirmationNumbers({ id: notice.subscriptionId, requestedAt: notice.requestedAt }, deps.now()),
      )
    : sealToken(deps.links, 'unsubscribe', [BigInt(notice.subscriptionId), 0n, 0n])
