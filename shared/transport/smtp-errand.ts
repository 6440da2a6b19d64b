import type { Letter, LetterRow, Outcome } from './transport.ts'

/** A letter on its way. */
export type Errand = {
  readonly row: LetterRow
  readonly place: number
  readonly letter: Letter
  /** Octets of the letter, as SIZE= declares them. */
  readonly size: number
  /** How the first try ended, if the connection broke before the host had answered its MAIL FROM. */
  readonly lost: Outcome | null
}

/** What waits for a connection. */
export type Waiting = Pick<Errand, 'row' | 'place' | 'lost'>

/** The letters waiting, first come, first served; those of a row do not exist before their turn. */
export type ErrandQueue = {
  readonly length: number
  push(row: LetterRow): void
  /** For a letter that has waited before. */
  putFirst(waiting: Waiting): void
  shift(): Waiting | null
  /** Takes out what is left of a row, and returns its places. */
  drop(row: LetterRow): number[]
}

export function openErrandQueue(): ErrandQueue {
  const again: Waiting[] = []
  const rows: LetterRow[] = []
  let place = 0
  let left = 0

  function shiftRow(): Waiting | null {
    const row = rows[0]
    if (!row) return null
    const waiting = { row, place, lost: null }
    left -= 1
    place += 1
    if (place === row.length) {
      rows.shift()
      place = 0
    }
    return waiting
  }

  function drop(row: LetterRow): number[] {
    const at = rows.indexOf(row)
    if (at === -1) return []
    const first = at === 0 ? place : 0
    if (at === 0) place = 0
    rows.splice(at, 1)
    left -= row.length - first
    return Array.from({ length: row.length - first }, (_, n) => first + n)
  }

  return {
    drop,
    get length() {
      return again.length + left
    },
    push(row) {
      if (row.length === 0) return
      rows.push(row)
      left += row.length
    },
    putFirst: (waiting) => void again.unshift(waiting),
    shift: () => again.shift() ?? shiftRow(),
  }
}

/** The octets of a letter. */
export function measure({ parts }: Letter): number {
  let size = 0
  for (const part of parts) size += typeof part === 'string' ? Buffer.byteLength(part) : part.length
  return size
}
