import { maskAddresses } from '../subscriber/mask-address.ts'

/**
 * What becomes of a mailing whose letters cannot be prepared. Where what it carries is at fault, the same again and again,
 * it is given up after a handful of tries; where our own machine is, it is tried for as long as a letter is.
 */

/** Why a mailing is not under way, and when it is tried again; `nextAt` null: it was given up. */
export type Trouble = {
  readonly reason: string
  readonly since: Date
  readonly tries: number
  readonly nextAt: Date | null
}

/** Tries that fail by what a mailing carries until it is given up: some three and a half minutes after the first. */
export const mostOwnFaults = 5

/** Seconds until the try that follows the `tries`th. */
export const waitAfter = (tries: number) => Math.min(600, 5 * 3 ** (Math.max(tries, 1) - 1))

/**
 * So many tries may have come to nothing, none by what the mailing carries, before the mailing itself is held to be the reason: workers
 * that are killed or lose a database one after another are a bad minute of the machine's, and an hour should be kept in it.
 */
export const mostUnsuspected = 3

/**
 * Seconds until the try that follows the `tries`th, where that one's process was gone before it had come to an end. So often
 * it is the process that was ended and not the letter that ended it that the first few are made again at once; after that it has to
 * be the letter.
 */
export const waitAfterVanishing = (tries: number) => (tries <= mostUnsuspected ? 0 : waitAfter(tries - mostUnsuspected))

/**
 * Seconds until the try that follows the `tries`th, where our own machine was at fault, PostgreSQL for one: what was away comes
 * back without a word, and a connection that broke has left all the others as they were.
 */
export const waitAfterOurFault = (tries: number) => Math.min(15, waitAfterVanishing(tries))

/** For how long a try counts as under way without a sign of life from whoever makes it, told every third of it. Seconds. */
export const tryLease = 3

/** One that is at it longer than this holds up the others of its newsroom, and nobody else's: it gives its place away. Seconds. */
export const ordinaryTry = 5

/** What is known of a try whose process was gone before it had come to an end. */
export const endedInTheMiddle = 'The workers process that prepared it ended in the middle.'

/**
 * A fault in a sentence that may stand on a page: its first line, with no stack, path, address or password in it and
 * nothing that a terminal would obey.
 */
export function tellTrouble(error: unknown): string {
  const words = error instanceof Error ? error.message || error.name : String(error)
  const [first = ''] = words.trim().split(/[\r\n]/)
  const plain = maskAddresses(first.slice(0, 2_000).replace(credentials, '//').replace(folders, ''))
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  const short = plain.length > mostWords ? `${plain.slice(0, mostWords).trimEnd()}…` : plain
  return short || 'No reason was told.'
}

const mostWords = 300

const credentials = /\/\/[^\s/@]{1,200}@/g

/** A path of this machine down to the file it names; what follows a host's name is none. */
const folders = /(?<![\w:/.-])\/(?:[\w.@+-]{1,100}\/)+/g
