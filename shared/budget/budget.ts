import { createHmac } from 'node:crypto'

/**
 * How often something may be done: `quota` times at once, and again as it comes back, one by one, so that all of it is
 * there again after `span` seconds. A limit that begins anew on the hour would let twice as much through around it.
 */
export type Budget = {
  /** For the log, the figures and the headers; it keeps budgets of different kinds apart. */
  readonly name: string
  readonly quota: number
  readonly span: number
}

/** Budgets an operator watches: how full the fullest of each is says whether somebody is at work against the doors. */
export const watchedBudgets = {
  ceilings: { newsroom: 'newsroom-ceiling', installation: 'installation-ceiling' },
  usual: { newsroom: 'newsroom-usual', installation: 'installation-usual' },
  slowLane: 'slow-lane',
} as const

/** Something done once, and whose budget it goes on: an address, a network, a newsroom. */
export type Charge = { readonly budget: Budget; readonly subject: string }

/** How long, in seconds, until one more will be there. */
export type Shortage = { readonly charge: Charge; readonly wait: number }

/** What a budget is kept under, so that whoever holds the table cannot try addresses or networks against it. */
export const budgetKey = (hashKey: Buffer, { budget, subject }: Charge): Buffer =>
  createHmac('sha256', hashKey).update(`budget\0${budget.name}\0${subject}`, 'utf8').digest()

/** The time in which one comes back. Rounded down to what the database can hold, so that a quota fits into its span. */
export const costOf = ({ quota, span }: Budget): number => Math.floor((span / quota) * 1e6) / 1e6
