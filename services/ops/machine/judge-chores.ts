import type { ChoreStanding } from '../../../shared/worker/chore.sql.ts'
import { span } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'

/** What the workers' clock does, and what goes undone without it. One by another name is an earlier version's. */
const undone: Readonly<Record<string, string>> = {
  reconcile: 'due work that the queues have forgotten is not woken',
  'link-requests': 'readers who asked for a link wait for it',
  budgets: 'spent budgets are kept for longer than they are needed',
  'cut-digests': 'no digests are made',
  'lapse-pending': 'sign-ups that nobody confirmed are kept',
  forget: 'what has been kept long enough is not deleted',
}

/** Several turns, and a while for a database that was away. */
const patience = ({ every }: ChoreStanding) => 3 * every + 300

export type ChoreAge = { readonly name: string; readonly seconds: number; readonly isLate: boolean }

export const agesOfChores = (chores: readonly ChoreStanding[], now: Date): ChoreAge[] =>
  chores
    .filter(({ name }) => name in undone)
    .map((chore) => {
      const seconds = Math.max(0, (now.getTime() - chore.doneAt.getTime()) / 1000)
      return { name: chore.name, seconds, isLate: seconds > patience(chore) }
    })

/** A chore that fails each time holds up no letter, and its log line is one among many. */
export function judgeChores(chores: readonly ChoreStanding[], now: Date): Finding {
  const late = agesOfChores(chores, now).filter(({ isLate }) => isLate)
  return {
    label: 'Chores of the clock',
    value:
      late.length === 0
        ? 'all come to their end'
        : late.map(({ name, seconds }) => `${name} not done for ${span(seconds)}`).join('; '),
    meaning: 'What the workers do by themselves, every few seconds or minutes.',
    wrong: late.length > 0,
    todo: `Meanwhile ${late.map(({ name }) => undone[name]).join('; ')}. The workers’ logs say why, at “a chore did not succeed”.`,
    href: null,
  }
}
