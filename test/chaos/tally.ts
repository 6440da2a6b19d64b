import type { Entry } from './journal.ts'

/** What the sink's journal comes to, kept up as it grows. */
export type Tally = {
  take(entries: readonly Entry[]): void
  /** Release title → address → when each copy that was accepted had begun. */
  readonly copies: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>
  /** Every acceptance, in order. */
  readonly acceptances: readonly { readonly at: number; readonly title: string; readonly to: string }[]
  readonly refusals: ReadonlyMap<string, { readonly code: number; readonly at: number }>
  /** Letters begun after their reader's opt-out had been answered. */
  readonly late: readonly string[]
  /** Copies of one letter under two Message-IDs, and two letters under one. */
  readonly misnamed: readonly string[]
  acceptedOf(title: string): number
}

export function openTally(onLetter: (address: string, leaveUrl: string) => void): Tally {
  const copies = new Map<string, Map<string, number[]>>()
  const acceptances: { at: number; title: string; to: string }[] = []
  const refusals = new Map<string, { code: number; at: number }>()
  const leftAt = new Map<string, number>()
  const messageIds = new Map<string, string>()
  const late: string[] = []
  const misnamed: string[] = []

  const takers: { [Kind in Entry['is']]: (entry: Extract<Entry, { is: Kind }>) => void } = {
    begun: ({ to, seq }) => {
      const left = leftAt.get(to)
      if (left !== undefined && seq > left) late.push(to)
    },
    refused: ({ to, code, at }) => {
      // For good outweighs for now; the first of each counts.
      const known = refusals.get(to)
      if (!known || (code >= 500 && known.code < 500)) refusals.set(to, { code, at })
    },
    accepted: ({ to, at, begunAt, subject, messageId, leaveUrl }) => {
      const letters = copies.get(subject) ?? new Map<string, number[]>()
      copies.set(subject, letters)
      letters.set(to, [...(letters.get(to) ?? []), begunAt])
      acceptances.push({ at, title: subject, to })
      const letter = `${subject} to ${to}`
      const known = messageIds.get(messageId) ?? letter
      messageIds.set(messageId, letter)
      if (known !== letter) misnamed.push(letter)
      onLetter(to, leaveUrl)
    },
    answered: () => {},
    left: ({ to, seq }) => {
      if (!leftAt.has(to)) leftAt.set(to, seq)
    },
  }
  return {
    take: (entries) => {
      for (const entry of entries) takers[entry.is](entry as never)
    },
    copies,
    acceptances,
    refusals,
    late,
    misnamed,
    acceptedOf: (title) => copies.get(title)?.size ?? 0,
  }
}
