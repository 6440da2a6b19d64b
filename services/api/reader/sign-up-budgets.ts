import type { FastifyReply } from 'fastify'
import { shortOf, spend } from '../../../shared/budget/budget.sql.ts'
import { type Budget, type Charge, type Shortage, watchedBudgets } from '../../../shared/budget/budget.ts'
import { networksOf } from '../../../shared/budget/network.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { Refusal } from '../../../shared/refusal/refusal.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { refusedBefore, rememberRefusal } from './refused-before.ts'

const hour = 3600

/**
 * What a sign-up is paid from. Nothing of it depends on the address, so that what is left tells nobody anything about
 * one: an address has a budget of its own, spent where only its mailbox learns of it.
 */
type Limits = Pick<ReaderDeps, 'signUpsPerHour' | 'signUpCeilings'>

const budgetsOf = ({ signUpsPerHour, signUpCeilings: { newsroom, installation } }: Limits) => ({
  network: { name: 'sign-up', quota: signUpsPerHour, span: hour },
  // A range rented by one sender is refused as a whole, though later: schools and offices share one too.
  wideNetwork: { name: 'sign-up-wide', quota: signUpsPerHour * 10, span: hour },
  newsroom: { name: watchedBudgets.ceilings.newsroom, quota: newsroom, span: hour },
  installation: { name: watchedBudgets.ceilings.installation, quota: installation, span: hour },
  // A tenth of either ceiling passes without question; beyond it a sign-up is unusual and brings a proof of work.
  usual: { name: watchedBudgets.usual.newsroom, quota: Math.max(1, Math.floor(newsroom / 10)), span: hour },
  usualAltogether: {
    name: watchedBudgets.usual.installation,
    quota: Math.max(1, Math.floor(installation / 10)),
    span: hour,
  },
  // Where no proof can be made, letters leave one every half minute and never more than an hour later.
  slowLane: { name: watchedBudgets.slowLane, quota: 120, span: hour },
})

/** How a visitor comes to the door: with a proof of work, with a link of ours, content to wait, or with nothing. */
export type Pass = { readonly proof: string } | 'link' | 'slow-lane' | 'plain'

export type Admission =
  /** The letter may leave from then on. */
  | { readonly admitted: true; readonly notBefore: Date }
  | { readonly admitted: false; readonly needs: 'proof' }
  | {
      readonly admitted: false
      readonly needs: 'patience'
      readonly short: readonly Shortage[]
      readonly ceiling: boolean
    }

/** Lets a sign-up in, or says what is missing: every budget gives one, or none does. */
export async function admit(
  deps: ReaderDeps,
  newsroom: Pick<Newsroom, 'id' | 'slug'>,
  ip: string,
  pass: Pass,
): Promise<Admission> {
  const budgets = budgetsOf(deps)
  const net = networksOf(ip)
  const ceilings: Charge[] = [
    { budget: budgets.newsroom, subject: newsroom.id },
    { budget: budgets.installation, subject: '' },
  ]
  const networks: Charge[] = [
    { budget: budgets.network, subject: net.narrow },
    { budget: budgets.wideNetwork, subject: net.wide },
  ]
  const extra = chargesOf(budgets, newsroom, pass)
  const now = deps.now()
  const before = refusedBefore(deps, networks, now)
  if (before.length > 0) return { admitted: false, needs: 'patience', short: before, ceiling: false }
  const spent = await spend(deps.pool, deps.addressHashKey, [...networks, ...ceilings, ...extra], now)
  if (spent.granted) return { admitted: true, notBefore: pass === 'slow-lane' ? spent.startsAt.at(-1)! : now }

  const hard = spent.short.filter(({ charge }) => !extra.includes(charge) || pass === 'slow-lane')
  if (hard.length === 0) {
    if (pass === 'plain')
      for (const { charge } of spent.short)
        await alarm(deps, 'sign-ups are unusually many: a proof of work is asked for', newsroom, charge.budget.name)
    return { admitted: false, needs: 'proof' }
  }
  rememberRefusal(
    deps,
    hard.filter(({ charge }) => networks.includes(charge)),
    now,
  )
  const tripped = hard.filter(({ charge }) => ceilings.includes(charge) || charge.budget === budgets.slowLane)
  for (const { charge } of tripped)
    await alarm(deps, 'sign-ups have reached a ceiling: new ones are refused', newsroom, charge.budget.name)
  return { admitted: false, needs: 'patience', short: hard, ceiling: tripped.length > 0 }
}

function chargesOf(budgets: ReturnType<typeof budgetsOf>, newsroom: Pick<Newsroom, 'id'>, pass: Pass): Charge[] {
  if (pass === 'link') return []
  if (pass === 'slow-lane') return [{ budget: budgets.slowLane, subject: newsroom.id }]
  if (pass !== 'plain') return [{ budget: proofOnce, subject: pass.proof }]
  return [
    { budget: budgets.usual, subject: newsroom.id },
    { budget: budgets.usualAltogether, subject: '' },
  ]
}

// A proof is used once. The row outlives the proof itself, also by the clock of another machine.
const proofOnce: Budget = { name: 'proof', quota: 1, span: 2 * hour }

/** Whether a proof of work would be asked of the next sign-up that brings none. */
export async function isUnusual(deps: ReaderDeps, newsroom: Pick<Newsroom, 'id'>): Promise<boolean> {
  const charges = chargesOf(budgetsOf(deps), newsroom, 'plain')
  return (await shortOf(deps.pool, deps.addressHashKey, charges, deps.now())).length > 0
}

/** Turns a visitor away for a while, with the headers of draft-ietf-httpapi-ratelimit-headers. */
export function refuseForNow(
  reply: FastifyReply,
  { short, ceiling }: { short: readonly Shortage[]; ceiling: boolean },
): Refusal {
  reply.headers({
    'retry-after': Math.max(...short.map(({ wait }) => wait)),
    'ratelimit-policy': short
      .map(({ charge: { budget } }) => `"${budget.name}";q=${budget.quota};w=${budget.span}`)
      .join(', '),
    ratelimit: short.map(({ charge, wait }) => `"${charge.budget.name}";r=0;t=${wait}`).join(', '),
  })
  return new Refusal(ceiling ? 'TOO_MANY_SIGN_UPS' : 'TOO_MANY_REQUESTS')
}

// Once in ten minutes over all processes, a newsroom's own for each newsroom: an alarm that comes with every request is one
// nobody reads.
const alarmOnce = (name: string): Budget => ({ name: `alarm-${name}`, quota: 1, span: 600 })

async function alarm(deps: ReaderDeps, told: string, newsroom: Pick<Newsroom, 'id' | 'slug'>, budget: string) {
  const subject = budget.startsWith('installation') ? '' : newsroom.id
  const spent = await spend(deps.pool, deps.addressHashKey, [{ budget: alarmOnce(budget), subject }], deps.now())
  if (spent.granted) deps.log.error({ alarm: budget, newsroom: newsroom.slug }, told)
}
