import type { Log } from '../../shared/log/log.ts'
import { maskAddresses } from '../../shared/subscriber/mask-address.ts'

/** Tells the operator that letters are refused for what they are: once for each mailing or kind of notice. */
export type UnfitLetters = { tell(of: object, reply: string): void }

/** So many are remembered as told. */
const most = 1_000

export function openUnfitLetters(log: Log): UnfitLetters {
  const told = new Set<string>()
  return {
    tell: (of, reply) => {
      const key = JSON.stringify(of)
      if (told.has(key)) return
      told.add(key)
      if (told.size > most) told.delete(told.values().next().value!)
      log.error({ ...of, reply: maskAddresses(reply) }, 'the mail host refuses letters for their size or form')
    },
  }
}
