import { Mistake } from '../mistake.ts'
import { until } from './patience.ts'

type LetterSummary = { readonly id: number }
export type Letter = LetterSummary & {
  readonly subject: string
  /** The From it shows. */
  readonly sender: string
  readonly text: string | null
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** One reader's mailbox, from the moment it is opened. */
export type Mailbox = {
  readonly address: string
  /** The letter at that place in the order of arrival, waited for. */
  letter(place: number): Promise<Letter>
  /** All that have come until now. */
  letters(): Promise<readonly Letter[]>
  close(): void
}

/**
 * Watches the local inbox that `npm start` runs in place of the readers' mail hosts. Letters are fetched as they come:
 * the inbox keeps only its newest few thousand, and a large audience pushes a reader's letter out within a second.
 */
export async function openMailbox(inbox: string, address: string): Promise<Mailbox> {
  const closing = new AbortController()
  const arrived: Letter[] = []
  let trouble: unknown = null

  const ask = async (path: string): Promise<Response> => {
    const response = await fetch(`${inbox}/api/letters${path}`, { signal: closing.signal }).catch(() => null)
    if (!response?.ok) throw new Mistake(`The inbox at ${inbox} does not answer.`)
    return response
  }
  const to = new URLSearchParams({ to: address })
  const list = async (after: number) => (await (await ask(`?${to}&after=${after}`)).json()) as LetterSummary[]

  const opened = (await list(0)).at(-1)?.id ?? 0
  const watch = async () => {
    while (!closing.signal.aborted) {
      const next = await ask(`/next?${to}&after=${arrived.at(-1)?.id ?? opened}&wait=20`)
      if (next.status === 204) continue
      const { id } = (await next.json()) as LetterSummary
      arrived.push((await (await ask(`/${id}`)).json()) as Letter)
    }
  }
  watch().catch((error: unknown) => {
    if (!closing.signal.aborted) trouble = error
  })
  const holdsUnlessTroubled = (holds: () => boolean) => () => {
    if (trouble) throw trouble
    return holds()
  }

  return {
    address,
    async letter(place) {
      await until(
        `No letter came to ${address}`,
        holdsUnlessTroubled(() => arrived.length > place),
      )
      return arrived[place]!
    },
    async letters() {
      const here = await list(opened)
      const fetched = (id: number) => arrived.some((letter) => letter.id === id)
      await until(
        'The inbox did not hand out its letters',
        holdsUnlessTroubled(() => here.every(({ id }) => fetched(id))),
      )
      return [...arrived]
    },
    close: () => closing.abort(),
  }
}

/** A header's value on one line; the names of headers know no case. */
export const headerOf = (letter: Letter, name: string): string | null =>
  letter.headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1].replace(/\s+/g, ' ') ?? null

/** The first lines of its text that say something. */
export const openingOf = (letter: Letter, lines: number): string[] =>
  (letter.text ?? '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .slice(0, lines)

/** The link in it that leads to one of the API's doors. */
export const linkIn = (letter: Letter, door: string): string | null =>
  [...(letter.text ?? '').matchAll(/https?:\/\/[^\s<>")\]]+/g)]
    .map(([url]) => url)
    .find((url) => url.includes(`/${door}/`)) ?? null
