import { mailingIn } from './envelope.ts'
import type { Entry } from './journal.ts'
import { headedAsCorrected } from './publisher.ts'
import type { DigestItem } from './sink-text.ts'

type Accepted = Extract<Entry, { is: 'accepted' }>

type Answer = { readonly seq: number; readonly at: number }
/** A letter that began after an answer, and whether more than its MAIL FROM came. Times are the mail host's. */
export type Late = { readonly what: string; readonly at: number; readonly answer: number; readonly hasText: boolean }

/** What the sink's journal comes to, kept up as it grows. */
export type Tally = {
  take(entries: readonly Entry[]): void
  /** What was told, by its title → address → when each copy that was accepted had begun. */
  readonly copies: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>
  /** The same of what digests told, each with its letter. */
  readonly inDigests: ReadonlyMap<string, ReadonlyMap<string, readonly InDigest[]>>
  /** Letters that say they are a correction: “<title> to <address>”. */
  readonly corrections: ReadonlySet<string>
  /** Every acceptance, in order. */
  readonly acceptances: readonly { readonly begunAt: number; readonly title: string }[]
  readonly refusals: ReadonlyMap<string, { readonly code: number; readonly at: number }>
  /** Letters begun after their reader's opt-out, their release's correction or withdrawal, or an operator's stop was answered. */
  readonly late: readonly Late[]
  /** Copies of one letter under two Message-IDs, two letters under one, in another mailing's envelope, or not whole. */
  readonly misnamed: readonly string[]
  /** Mailing → when the first of its letters began. */
  readonly firstBegun: ReadonlyMap<string, number>
  /** Every letter that ever began, “<mailing> <address>” → when it first did. */
  readonly begun: ReadonlyMap<string, number>
  /** Letters begun to addresses that had been refused for good before. */
  readonly begunToGone: readonly { readonly to: string; readonly mailing: string | null }[]
  acceptedOf(title: string): number
}

/** A release in a digest that was accepted. */
export type InDigest = { readonly mailing: string; readonly begunAt: number; readonly isCorrection: boolean }

export function openTally(onLetter: (address: string, leaveUrl: string) => void): Tally {
  const copies = new Map<string, Map<string, number[]>>()
  const inDigests = new Map<string, Map<string, InDigest[]>>()
  const corrections = new Set<string>()
  const acceptances: { begunAt: number; title: string }[] = []
  const refusals = new Map<string, { code: number; at: number }>()
  const leftAt = new Map<string, Answer>()
  const replacedMailings = new Map<string, Answer & { readonly title: string }>()
  const replacedTitles = new Map<string, Answer>()
  const stoppedMailings = new Map<string, Answer>()
  /** By the place of their beginning in the order of things. */
  const late = new Map<number, Late>()
  const naming = openNaming()
  const firstBegun = new Map<string, number>()
  const begunToGone: { to: string; mailing: string | null }[] = []
  const everBegun = new Map<string, number>()

  const takers: { [Kind in Entry['is']]: (entry: Extract<Entry, { is: Kind }>) => void } = {
    begun: ({ to, seq, at, envelope }) => {
      const mailing = mailingIn(envelope)
      const letter = `${mailing} ${to}`
      if (!everBegun.has(letter)) everBegun.set(letter, at)
      const left = leftAt.get(to)
      if (left && seq > left.seq) late.set(seq, { what: `to ${to}, who had left`, at, answer: left.at, hasText: false })
      const replaced = mailing === null ? undefined : replacedMailings.get(mailing)
      if (replaced && seq > replaced.seq)
        late.set(seq, { what: `${replaced.title} to ${to}, replaced by then`, at, answer: replaced.at, hasText: false })
      const stopped = mailing === null ? undefined : stoppedMailings.get(mailing)
      if (stopped && seq > stopped.seq)
        late.set(seq, { what: `mailing ${mailing} to ${to}, stopped by then`, at, answer: stopped.at, hasText: false })
      if (mailing !== null && at < (firstBegun.get(mailing) ?? Infinity)) firstBegun.set(mailing, at)
      if ((refusals.get(to)?.code ?? 0) >= 500) begunToGone.push({ to, mailing })
    },
    refused: ({ to, code, at }) => {
      // For good outweighs for now; the first of each counts.
      const known = refusals.get(to)
      if (!known || (code >= 500 && known.code < 500)) refusals.set(to, { code, at })
    },
    accepted: (entry) => {
      if (entry.items) takeDigest(entry, entry.items)
      else takeLetter(entry)
      onLetter(entry.to, entry.leaveUrl)
    },
    answered: () => {},
    left: ({ to, seq, at }) => {
      if (!leftAt.has(to)) leftAt.set(to, { seq, at })
    },
    replaced: ({ mailing, title, seq, at }) => {
      replacedMailings.set(mailing, { title, seq, at })
      replacedTitles.set(title, { seq, at })
    },
    stopped: ({ mailing, seq, at }) => {
      stoppedMailings.set(mailing, { seq, at })
    },
    resumed: ({ mailing }) => {
      stoppedMailings.delete(mailing)
    },
  }

  /** Whatever its envelope said, a text that was replaced before it began is late. */
  function noteText(what: string, title: string, begunAt: number, begunSeq: number): void {
    const known = late.get(begunSeq)
    if (known) late.set(begunSeq, { ...known, hasText: true })
    const replaced = replacedTitles.get(title)
    if (replaced && begunSeq > replaced.seq)
      late.set(begunSeq, { what: `${what}, replaced by then`, at: begunAt, answer: replaced.at, hasText: true })
  }

  function takeDigest(
    { to, begunAt, begunSeq, envelope, messageId, lacks }: Accepted,
    items: readonly DigestItem[],
  ): void {
    const mailing = mailingIn(envelope)
    const letter = `digest ${mailing} to ${to}`
    for (const { title, isCorrection } of items) {
      noteText(`${title} to ${to}, in a digest`, title, begunAt, begunSeq)
      const letters = inDigests.get(title) ?? new Map<string, InDigest[]>()
      inDigests.set(title, letters)
      letters.set(to, [...(letters.get(to) ?? []), { mailing: String(mailing), begunAt, isCorrection }])
    }
    if (lacks !== null) naming.misnamed.push(`${letter}, which lacks ${lacks}`)
    naming.check({ letter, title: `digest ${mailing}`, messageId, mailing })
  }

  function takeLetter({ to, begunAt, begunSeq, envelope, subject, messageId, lacks }: Accepted): void {
    const isCorrection = subject.startsWith(headedAsCorrected)
    const title = isCorrection ? subject.slice(headedAsCorrected.length) : subject
    const letter = `${title} to ${to}`
    if (isCorrection) corrections.add(letter)
    noteText(letter, title, begunAt, begunSeq)
    const letters = copies.get(title) ?? new Map<string, number[]>()
    copies.set(title, letters)
    letters.set(to, [...(letters.get(to) ?? []), begunAt])
    acceptances.push({ begunAt, title })
    if (lacks !== null) naming.misnamed.push(`${letter}, which lacks ${lacks}`)
    naming.check({ letter, title, messageId, mailing: mailingIn(envelope) })
  }

  return {
    take: (entries) => {
      for (const entry of entries) takers[entry.is](entry as never)
    },
    copies,
    inDigests,
    corrections,
    acceptances,
    refusals,
    get late() {
      return [...late.values()]
    },
    misnamed: naming.misnamed,
    firstBegun,
    begun: everBegun,
    begunToGone,
    acceptedOf: (title) => copies.get(title)?.size ?? 0,
  }
}

type Named = {
  readonly letter: string
  readonly title: string
  readonly messageId: string
  readonly mailing: string | null
}

/** Holds every letter to its one Message-ID and every title to its one mailing, both ways. */
function openNaming() {
  const letterByMessageId = new Map<string, string>()
  const messageIdByLetter = new Map<string, string>()
  const titleByMailing = new Map<string, string>()
  const mailingByTitle = new Map<string, string>()
  const misnamed: string[] = []

  /** Whether this is the first that is known of `name`, or the same as ever. */
  function holds(names: Map<string, string>, name: string, is: string): boolean {
    const known = names.get(name)
    if (known === undefined) names.set(name, is)
    return known === undefined || known === is
  }

  return {
    misnamed,
    check: ({ letter, title, messageId, mailing }: Named) => {
      if (!holds(letterByMessageId, messageId, letter)) misnamed.push(`${letter}, under another letter's Message-ID`)
      if (!holds(messageIdByLetter, letter, messageId)) misnamed.push(`${letter}, under a second Message-ID`)
      const isOwn = mailing !== null && holds(titleByMailing, mailing, title) && holds(mailingByTitle, title, mailing)
      if (!isOwn) misnamed.push(`${letter}, in an envelope of mailing ${mailing}`)
    },
  }
}
