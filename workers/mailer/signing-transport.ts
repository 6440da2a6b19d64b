import { isAligned } from '../../shared/dkim/alignment.ts'
import type { DkimIdentity } from '../../shared/dkim/dkim-key.ts'
import { planOf } from '../../shared/dkim/signing-plan.ts'
import type { PreparedLetter, ReaderSlots } from '../../shared/letter/letter.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Letter, LetterRow, Outcome, Outgoing, Transport } from '../../shared/transport/transport.ts'
import { lettersInHand, openSigner } from './signer.ts'

/** A letter that can still be signed: its bytes, and what they were filled from. */
export type Composed = Letter & { readonly prepared: PreparedLetter; readonly reader: ReaderSlots }

/** Such letters in a row. `mayStart`: whether one that was made may still start once it is signed. */
export type ComposedRow = Omit<LetterRow, 'open'> & {
  open(place: number): Composed | null
  mayStart(place: number): boolean
}

/** What the mailer sends by; a plain transport will do where letters are not signed. */
export type LetterTransport = {
  send(letter: Composed & Outgoing): Promise<Outcome>
  sendRow(row: ComposedRow): Promise<void>
  close(): Promise<void>
}

type Deps = { readonly transport: Transport; readonly log: Log; readonly now: () => Date }

/** A row of which some letters wait to be signed. */
type Waiting = { readonly row: ComposedRow; next: number; left: number; whenSettled(): void }

/** Letters of one row that are signed together. */
type Batch = { readonly place: number; readonly letter: Composed }[]

/**
 * Signs letters on their way to the transport, some at a time. A signature costs more than everything else done for a letter, so it
 * is made late: `most` letters are under way at once, being signed or with the transport, and a letter whose claim has
 * run out when its turn comes is not signed at all. Rows take turns.
 */
export function openSigningTransport(
  deps: Deps,
  identity: DkimIdentity,
  most: number,
  threads?: number,
): LetterTransport {
  const signer = openSigner(identity, deps.now, threads)
  /** Rows, and letters by themselves: those are confirmations that somebody waits for. */
  const rows: Waiting[] = []
  const lone: Waiting[] = []
  const known = new Set<string>()
  let underWay = 0
  let isClosing = false

  function sendRow(row: ComposedRow, queue = rows): Promise<void> {
    return new Promise((resolve) => {
      if (row.length === 0) return resolve()
      const all = { row, next: 0, left: row.length, whenSettled: resolve }
      queue.push(all)
      proceed()
      if (all.next < row.length) dropInTime(all, queue)
    })
  }

  /** Where the host takes nothing more, no turn comes; and those that may not begin any more would wait on. */
  function dropInTime(all: Waiting, queue: Waiting[]): void {
    if (all.row.until === Number.POSITIVE_INFINITY) return
    const drop = () => {
      const at = queue.indexOf(all)
      if (at === -1) return
      queue.splice(at, 1)
      while (all.next < all.row.length) settle(all, all.next++, notStarted)
    }
    setTimeout(drop, Math.max(0, all.row.until - performance.now())).unref()
  }

  /** Lets as many letters be signed as may be under way: whole batches, because a thread is woken for each. */
  function proceed(): void {
    for (let queue = nextQueue(); queue !== null; queue = nextQueue()) {
      const first = queue[0]!
      const size = Math.min(signer.atOnce(), Math.ceil(most / 4), first.row.length - first.next)
      if (!isClosing && (most - underWay < size || !signer.hasRoom())) return
      queue.shift()
      const batch = takeFrom(first, size)
      if (first.next < first.row.length) queue.push(first)
      if (batch.length > 0) void handOver(first, batch)
    }
  }

  function nextQueue(): Waiting[] | null {
    if (lone.length > 0) return lone
    return rows.length > 0 ? rows : null
  }

  function takeFrom(all: Waiting, size: number): Batch {
    const batch: Batch = []
    while (batch.length < size && all.next < all.row.length) {
      const place = all.next
      all.next += 1
      const letter = isClosing ? notStarted : openLetter(all.row, place)
      if ('kind' in letter) settle(all, place, letter)
      else batch.push({ place, letter })
    }
    underWay += batch.length
    return batch
  }

  function openLetter(row: ComposedRow, place: number): Composed | Outcome {
    try {
      const letter = row.open(place)
      if (letter !== null) checkSender(planOf(letter.prepared))
      return letter ?? notStarted
    } catch (err) {
      return unsigned(err)
    }
  }

  async function handOver(all: Waiting, batch: Batch): Promise<void> {
    const { row } = all
    const settleOne = (n: number, outcome: Outcome) => {
      underWay -= 1
      settle(all, batch[n]!.place, outcome)
      proceed()
    }
    const signatures = await signer.sign(batch.map(({ letter }) => letter)).catch(unsigned)
    if ('kind' in signatures) for (const n of batch.keys()) settleOne(n, signatures)
    else {
      const open = (n: number) => {
        const { letter, place } = batch[n]!
        return row.mayStart(place) ? { ...letter, parts: [signatures[n]!, ...letter.parts] } : null
      }
      void deps.transport.sendRow({ length: batch.length, until: row.until, open, settle: settleOne })
      // A thread has room again.
      proceed()
    }
  }

  function settle(all: Waiting, place: number, outcome: Outcome): void {
    all.row.settle(place, outcome)
    all.left -= 1
    if (all.left === 0) all.whenSettled()
  }

  /** Nobody's letter is at fault, and the next one would fare no better: the mailer rests, as when the host is away. */
  function unsigned(err: unknown): Outcome {
    // The threads end with us, whatever they have in hand.
    if (isClosing) return notStarted
    deps.log.error({ err }, 'a letter could not be signed')
    return { kind: 'unreachable', phase: 'connect', detail: 'the letter could not be signed' }
  }

  function checkSender({ fromDomain }: { fromDomain: string }): void {
    if (known.has(fromDomain)) return
    known.add(fromDomain)
    if (!isAligned(fromDomain, identity.domain))
      deps.log.warn(
        { from: fromDomain, signer: identity.domain },
        'letters from this domain are signed by another, which DMARC does not count',
      )
  }

  async function send(letter: Composed & Outgoing): Promise<Outcome> {
    let outcome: Outcome = notStarted
    const row: ComposedRow = {
      length: 1,
      until: letter.until ?? Number.POSITIVE_INFINITY,
      mayStart: letter.mayStart,
      open: () => (letter.mayStart() ? letter : null),
      settle: (_, told) => {
        outcome = told
      },
    }
    await sendRow(row, lone)
    return outcome
  }

  return {
    sendRow: (row) => sendRow(row),
    send,
    async close() {
      isClosing = true
      proceed()
      await deps.transport.close()
      await signer.close()
    },
  }
}

const notStarted: Outcome = { kind: 'not-started' }

/** How many letters to have under way for so many connections: two on each, and all that are being signed. */
export const underWay = (connections: number) => 2 * connections + lettersInHand
