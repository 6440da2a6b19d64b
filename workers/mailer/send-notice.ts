import { setTimeout } from 'node:timers/promises'
import { claimValidity } from '../../shared/delivery/delivery.ts'
import { domainOf } from '../../shared/delivery/pace.ts'
import { fillLetter } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'
import { mailDate } from '../../shared/letter/mail-date.ts'
import { sealExpiring } from '../../shared/links/expiring-link.ts'
import type { LinkKeys } from '../../shared/links/token.ts'
import { sealToken } from '../../shared/links/token.ts'
import type { Log } from '../../shared/log/log.ts'
import { type NoticeId, type NoticeKind, noticeClaim } from '../../shared/notice/notice.ts'
import { type ClaimedNotice, claimNotice, keepNotice, recordNotice } from '../../shared/notice/notice-claims.sql.ts'
import { confirmationNumbers } from '../../shared/notice/notice-token.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { endAllOf } from '../../shared/subscription/end-subscriptions.sql.ts'
import { suppressBouncedReader } from '../../shared/suppression/suppression.sql.ts'
import { judgeOutcome } from './judge-outcome.ts'
import type { PreparedNotices } from './prepared-notices.ts'
import type { ReceivingDomains } from './receiving-domains.ts'
import { untilRecorded } from './record-outcomes.ts'
import type { RelayCircuit } from './relay-circuit.ts'
import { saysNowhere } from './reply-rules.ts'
import type { RetryCurve } from './retry-curve.ts'
import type { LetterTransport } from './signing-transport.ts'
import type { StandingNotices } from './standing-notices.ts'
import type { UnfitLetters } from './unfit-letters.ts'

export type NoticeDeps = {
  readonly pool: Pool
  readonly log: Log
  /** Connections of its own, so that a confirmation is never behind bulk. */
  readonly transport: LetterTransport
  readonly links: LinkKeys
  readonly notices: PreparedNotices
  readonly circuit: RelayCircuit
  readonly unfit: UnfitLetters
  readonly receivingDomains: ReceivingDomains
  readonly standing: StandingNotices
  readonly mailDomain: string
  readonly curve: RetryCurve
  readonly now: () => Date
  readonly chance: () => number
  readonly stopping: () => boolean
}

/** A notice is awaited by somebody at a screen: it is tried again soon, whatever the curve of bulk mail says. */
const relayRest = 5
/** Milliseconds. A mail host that takes seconds over each letter does so to every domain. */
const longestTogether = 5_000
/** So many to one domain may keep the host waiting: there are few connections, and those of all others go over them, too. */
const mostStanding = 2
/** Milliseconds after which a letter that still waits for the mail host has another connection opened in its place. */
const longestAlone = 1_000
/** Milliseconds. A claim lasts a minute. */
const renewEvery = 20_000
/** Milliseconds for which a notice is claimed again and again while no connection is free; then others have its place. */
const patience = 45_000
/** Milliseconds. */
const longestRest = 1_000

/**
 * Sends one transactional letter, if it is due and still of use. One that could not begin while its claim was young is
 * claimed anew, and thus asked about: its reader may have erased everything meanwhile, and have been told so. That is done
 * here and not left to the reconciler's seconds, because the connection it needs is often just being opened. In between it
 * rests for a tenth of the time gone by: never much later for it, and a mail host that hangs costs few claims.
 */
export async function sendNotice(deps: NoticeDeps, id: NoticeId): Promise<void> {
  const began = performance.now()
  while (await tryNotice(deps, id, began + patience))
    await setTimeout(Math.min(longestRest, 50 + (performance.now() - began) / 10))
}

/** True: it has not begun, is put back, and may be claimed anew. */
async function tryNotice(deps: NoticeDeps, id: NoticeId, until: number): Promise<boolean> {
  // Read before the statement leaves, so that a claim is never younger here than the database thinks.
  const beginBefore = performance.now() + claimValidity
  const notice = await claimNotice(deps.pool, id)
  if (notice === null) return false
  if (!isOfUse(notice)) {
    await recordNotice(deps.pool, notice, { state: 'suppressed', wait: null, reply: null, counts: true })
    return false
  }

  const domain = domainOf(notice.address)
  if (deps.standing.of(domain) >= mostStanding) {
    await recordNotice(deps.pool, notice, { state: 'deferred', wait: relayRest, reply: null, counts: false })
    return false
  }

  const prepared = await prepare(deps, notice)
  const reader = {
    to: notice.address,
    messageId: `notice-${notice.id}@${deps.mailDomain}`,
    date: mailDate(deps.now()),
    token: tokenFor(deps, notice),
  }
  let begunAt = Number.POSITIVE_INFINITY
  // A host may take ten minutes over the dot, and whoever took the notice up meanwhile would send it once more. A renewal that
  // fails is made up for by the next.
  const renewing = setInterval(() => void keepNotice(deps.pool, notice).catch(() => undefined), renewEvery)
  const standsNoMore = deps.standing.add(domain, () => performance.now() - begunAt > longestTogether)
  const outcome = await deps.transport.send({
    envelope: { from: `n+${notice.id}@${deps.mailDomain}`, to: notice.address, envid: notice.id },
    parts: fillLetter(prepared, reader),
    mayStart: () => {
      begunAt = performance.now()
      return begunAt < beginBefore && !deps.stopping()
    },
    until: beginBefore,
    // A receiving domain may keep it waiting for minutes, and who asked next, of another, is not to wait for that.
    stands: () => performance.now() - begunAt > longestAlone,
    prepared,
    reader,
  })
  standsNoMore()
  const isDoubtful = outcome.kind === 'refused' && saysNowhere(outcome.phase, outcome.reply)
  const verdict = judgeOutcome(outcome, {
    isNowhere: isDoubtful && (await deps.receivingDomains.isNowhere(domain)),
    attempt: notice.attempt,
    curve: deps.curve,
    doubt: 'resend',
    chance: deps.chance(),
    host: deps.circuit,
    address: notice.address,
  })
  // Where no mailing is under way, notices are the first to know how the mail host does.
  if (verdict.relay !== undefined) deps.circuit.tellTrouble(verdict.relay)
  else if (verdict.throttled !== undefined) deps.circuit.tellThrottled(verdict.throttled)
  else if (verdict.state === 'sent') deps.circuit.tellSuccess()
  else if (verdict.unfit !== undefined) deps.unfit.tell({ notices: notice.kind }, verdict.unfit)
  // One that was tried, however late, had its time: as a letter's, it is that of the curve.
  const isOver = outcome.kind !== 'not-started' && notice.age > deps.curve.window
  const again = !isOver && (verdict.state === 'due' || verdict.state === 'deferred')
  const goesOn =
    outcome.kind === 'not-started' && performance.now() < until && !deps.stopping() && deps.circuit.rest() === 0
  const hasEnded = verdict.state === 'sent' || verdict.state === 'bounced'
  const recorded = {
    // Also where it is in doubt to the end of the curve: enough copies.
    state: again ? 'deferred' : hasEnded ? verdict.state : 'failed',
    // Due at once where it goes on: whoever looks takes it up, should this process end.
    wait: goesOn ? 0 : again ? (verdict.wait ?? relayRest) : null,
    reply: verdict.reply ?? verdict.relay ?? null,
    counts: verdict.begun,
  } as const
  // A host that has taken it is asked once, whatever becomes of the database meanwhile.
  await untilRecorded(deps.log, { notice: id }, async () => {
    if (verdict.state === 'bounced') {
      // The address it was sent to, which need not be the one the subscription has now.
      await suppressBouncedReader(deps.pool, notice.subscriberId)
      await endAllOf(deps.pool, [notice.subscriberId], 'bounced')
    }
    await recordNotice(deps.pool, notice, recorded)
  })
  clearInterval(renewing)
  if (goesOn) return true
  deps.log.info({ notice: id, kind: notice.kind, state: verdict.state, attempt: notice.attempt }, 'notice tried')
  return false
}

/** Where it cannot be made, the claim is given back: somebody waits for it, and what is in the way may pass in seconds. */
async function prepare({ pool, notices, curve }: NoticeDeps, notice: Sendable): Promise<PreparedLetter> {
  try {
    return await notices.of(notice.newsroomId, notice.kind, notice.language)
  } catch (fault) {
    const wait = Math.min(noticeClaim, relayRest * notice.attempt)
    const ends = notice.age > curve.window
    const outcome = ends ? ({ state: 'failed', wait: null } as const) : ({ state: 'deferred', wait } as const)
    // Should that fail as well, the claim runs out.
    await recordNotice(pool, notice, { ...outcome, reply: null, counts: true }).catch(() => undefined)
    throw fault
  }
}

type Sendable = ClaimedNotice & { readonly address: string }

// Answered, disowned or taken back meanwhile, an address that may get no mail: nothing more to say.
const isOfUse = (notice: ClaimedNotice): notice is Sendable =>
  notice.address !== null && !notice.barred && stillHolds[notice.kind](notice)

const stillHolds: Readonly<Record<NoticeKind, (notice: ClaimedNotice) => boolean>> = {
  confirmation: ({ subscriptionState }) => subscriptionState === 'pending',
  'already-following': ({ subscriptionState }) => subscriptionState === 'active',
  'preferences-link': ({ subscriptionState, isHolder }) => subscriptionState === 'active' && isHolder,
  'leave-link': ({ subscriptionState, isHolder }) => subscriptionState === 'active' && isHolder,
  'my-data-link': () => true,
  'new-address': ({ changeState, hasToMove }) => changeState === 'asked' && hasToMove,
  'address-changed': ({ changeState }) => changeState === 'done',
}

function tokenFor({ links, now }: NoticeDeps, notice: ClaimedNotice): string {
  const { subscriptionId, requestedAt, subscriberId, changeId } = notice
  switch (notice.kind) {
    case 'confirmation':
      return sealToken(links, 'confirm', confirmationNumbers({ id: subscriptionId, requestedAt }, now()))
    case 'my-data-link':
      return sealExpiring(links, 'my-data', subscriberId, now())
    case 'new-address':
      return sealExpiring(links, 'new-address', changeId ?? '0', now())
    case 'address-changed':
      return sealExpiring(links, 'old-address', changeId ?? '0', now())
    default:
      return sealToken(links, 'unsubscribe', [BigInt(subscriptionId), 0n, 0n])
  }
}
