import type { TroubledMailings } from '../../../shared/mailing/troubled-mailings.sql.ts'
import { number, plural, span } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'

/** A try in vain may be the machine's bad moment; the next ones follow after five and fifteen seconds. */
const patienceSeconds = 30

/** Mailings that would be under way if their letters could be prepared. */
export function judgeTroubles({ failed, tried, triedSince }: TroubledMailings, now: Date): Finding[] {
  const age = triedSince === null ? 0 : Math.max(0, (now.getTime() - triedSince.getTime()) / 1000)
  const told = [
    ...(failed > 0 ? [`${plural(failed, 'was', 'were')} given up`] : []),
    ...(tried > 0 ? [`${number(tried)} tried again, the oldest for ${span(age)}`] : []),
  ]
  return [
    {
      label: 'Mailings that cannot be prepared',
      value: told.length === 0 ? 'none' : told.join('; '),
      meaning:
        'Making the letters fails. What the release itself causes is given up after five tries, what our machine causes after RETRY_WINDOW; other mailings do not wait.',
      wrong: failed > 0 || age > patienceSeconds,
      todo: 'Their pages say why. Nothing of them leaves until that is mended.',
      href: failed > 0 || tried > 0 ? '/machine#troubled' : null,
    },
  ]
}
