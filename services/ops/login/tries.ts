import { isIPv6 } from 'node:net'

export type Tries = {
  /** Counts a try before it is made, so that a hundred at the same instant count as a hundred. Seconds to wait, or 0. */
  begin(address: string): number
  /** A person's try was right: it no longer counts, nor do its address's earlier ones, which were slips. */
  forgive(address: string): void
  /** A program's try was right: it no longer counts. Wrong ones from there were not its own: it knows the password. */
  takeBack(address: string): void
}

const windowSeconds = 15 * 60
/** A person who mistypes needs fewer; a guesser gets 480 a day from one place. */
const perAddress = 5
/** From everywhere together, so that many addresses do not add up to a search. */
const together = 30

/** Limits wrong passwords, per network address and over all. Kept in memory: a restart needs the operator anyway. */
export function limitTries(now: () => Date): Tries {
  let counts = new Map<string, number>()
  let opened = 0

  return {
    begin(address) {
      const seconds = Math.floor(now().getTime() / 1000)
      if (seconds >= opened + windowSeconds) {
        counts = new Map()
        opened = seconds
      }
      const origin = originOf(address)
      const mine = counts.get(origin) ?? 0
      const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
      if (mine >= perAddress || all >= together) return opened + windowSeconds - seconds
      counts.set(origin, mine + 1)
      return 0
    },
    forgive(address) {
      counts.delete(originOf(address))
    },
    takeBack(address) {
      const origin = originOf(address)
      counts.set(origin, Math.max(0, (counts.get(origin) ?? 0) - 1))
    },
  }
}

// One household or server is handed a /64 in IPv6 and could try from each address in it.
function originOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace('::ffff:', '')
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const fill = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  return [...groups, ...Array<string>(Math.max(fill, 0)).fill('0')].slice(0, 4).join(':')
}
