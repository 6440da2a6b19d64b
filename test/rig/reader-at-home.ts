import PostalMime, { type Email } from 'postal-mime'
import { formsOf, pressButton, readPage } from '../../services/cli/demo/pages.ts'
import type { Installation } from './installation.ts'
import type { Received, RecordingInbox } from './recording-inbox.ts'
import { until } from './until.ts'

export type Letter = Email & { readonly received: Received }

/** A reader with a browser and a mailbox, outside the house: all they know is what a page or a letter says. */
export type ReaderAtHome = {
  readonly address: string
  /** Fills in the form on the newsroom's page; returns the answer's status. */
  signUp(): Promise<number>
  /** The letter at that place in the order of arrival, waited for. */
  letter(place: number): Promise<Letter>
  /** How many have come. */
  letters(): number
  /** Opens a link of a letter, as the reader or a scanner. */
  open(link: string): Promise<string>
  /** Presses the one button of the page behind a link. */
  press(link: string): Promise<number>
  /** Signs up, and answers the letter that comes. */
  follow(): Promise<void>
}

export function readerAtHome(installation: Installation, inbox: RecordingInbox, address: string): ReaderAtHome {
  const mine = () => inbox.received.filter(({ to }) => to === address)
  const reader: ReaderAtHome = {
    address,
    signUp: async () => {
      const page = `${installation.api}/newsrooms/${installation.newsroom.slug}`
      const form = formsOf(await readPage(page), page).find(({ fields }) => fields.some(({ name }) => name === 'email'))
      return (await pressButton(form!, { email: address })).status
    },
    letter: async (place) => {
      const received = await until(`letter ${place} came to ${address}`, () => mine()[place])
      return { ...(await PostalMime.parse(received.raw)), received }
    },
    letters: () => mine().length,
    open: readPage,
    press: async (link) => {
      const [form] = formsOf(await readPage(link), link)
      if (!form) throw new Error(`There is no button to press at ${link}.`)
      return (await pressButton(form)).status
    },
    follow: async () => {
      const before = mine().length
      await reader.signUp()
      const link = linkIn(await reader.letter(before), 'confirm')
      const status = await reader.press(link)
      if (status !== 200) throw new Error(`${address} could not confirm: ${status}`)
    },
  }
  return reader
}

/** The link of a letter's text that leads to one of the reader's doors. */
export function linkIn(letter: Email, door: string): string {
  const link = [...(letter.text ?? '').matchAll(/https?:\/\/\S+/g)]
    .map(([url]) => url)
    .find((url) => url.includes(`/${door}/`))
  if (!link) throw new Error(`“${letter.subject}” has no link to ${door}.`)
  return link
}

/** What the reader's mail program posts when they press its own “unsubscribe” (RFC 8058). */
export async function oneClick(letter: Email): Promise<number> {
  const header = letter.headers.find(({ key }) => key === 'list-unsubscribe')?.value
  const link = /<(https?:[^>]+)>/.exec(header ?? '')?.[1]
  if (!link) throw new Error(`“${letter.subject}” cannot be left by one click.`)
  return (await fetch(link, { method: 'POST', body: new URLSearchParams('List-Unsubscribe=One-Click') })).status
}
