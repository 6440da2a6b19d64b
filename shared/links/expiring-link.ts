import { confirmHours, undoDays } from '../subscriber/address-change.ts'
import { type LinkKeys, openToken, sealToken } from './token.ts'

/**
 * Links that do more than the letter they came in: each has a purpose of its own and ends by itself. They name one row,
 * and when they end.
 */
const lifetimes = {
  'new-address': confirmHours * 3600,
  'old-address': undoDays * 24 * 3600,
  // What we hold about somebody lies open behind it, so a day, and from there an hour to have it erased.
  'my-data': 24 * 3600,
  erase: 3600,
} as const
export type ExpiringPurpose = keyof typeof lifetimes

export const sealExpiring = (keys: LinkKeys, purpose: ExpiringPurpose, id: string, now: Date): string =>
  sealToken(keys, purpose, [BigInt(id), BigInt(Math.floor(now.getTime() / 1000) + lifetimes[purpose]), 0n])

export type ExpiringLink = { readonly id: string; readonly expired: boolean }

/** What a token names, or `null` when it is not one of ours for this purpose. */
export function openExpiring(keys: LinkKeys, purpose: ExpiringPurpose, token: string, now: Date): ExpiringLink | null {
  const numbers = openToken(keys, purpose, token)
  if (!numbers) return null
  return { id: numbers[0].toString(), expired: now.getTime() / 1000 >= Number(numbers[1]) }
}
