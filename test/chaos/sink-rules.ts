import { lot } from './chance.ts'

/** What a mail host may do to a letter or a connection, each at its own point of the conversation. */
export const misdeeds = [
  'greylist',
  'busy-at-rcpt',
  'busy-after-dot',
  'leave-after-mail',
  'leave-after-dot',
  'cut-after-rcpt',
  'cut-after-354',
  'cut-after-dot',
  'late-250',
  'hang-after-354',
  'hang-after-dot',
  'tarpit',
] as const
export type Misdeed = (typeof misdeeds)[number]

export type SinkRules = {
  readonly seed: number
  /** The host takes about this long over a letter, in milliseconds. */
  readonly pace: number
  /** The share of letters that meet each misdeed. */
  readonly misdeeds: Readonly<Partial<Record<Misdeed, number>>>
  /** The share of connections greeted with 421. */
  readonly turnedAway: number
  /** The share of addresses that the host does not know. */
  readonly unknown: number
}

export const kindRules = (seed: number, pace: number): SinkRules => ({
  seed,
  pace,
  misdeeds: {},
  turnedAway: 0,
  unknown: 0,
})

/** What befalls the `nth` try of a letter: its own lot, so the same whatever else happens in a run. */
export function misdeedOf(rules: SinkRules, letter: string, nth: number): Misdeed | null {
  let draw = lot(rules.seed, 'misdeed', letter, nth)
  for (const misdeed of misdeeds) {
    const share = rules.misdeeds[misdeed] ?? 0
    // Greylisting is for strangers only.
    if (misdeed === 'greylist' && nth > 0) continue
    if (draw < share) return misdeed
    draw -= share
  }
  return null
}

export const isUnknown = (rules: SinkRules, address: string) => lot(rules.seed, 'unknown', address) < rules.unknown

export const isTurnedAway = (rules: SinkRules, connection: number) =>
  lot(rules.seed, 'connection', connection) < rules.turnedAway

/** Between a third and five thirds of the pace. */
export const waitOf = (rules: SinkRules, letter: string, nth: number) =>
  rules.pace * (1 / 3 + (4 / 3) * lot(rules.seed, 'pace', letter, nth))
