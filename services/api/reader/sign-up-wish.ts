import { isLanguage, type Language } from '../../../shared/language/language.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { type Address, parseAddress } from '../../../shared/subscriber/address.ts'
import { type Frequency, frequencies } from '../../../shared/subscription/subscription.ts'

/** What a reader asks for: their address, and how they would like the newsroom's letters. */
export type Wish = {
  readonly address: Address
  readonly language: Language
  /** The newsroom's topic ids in its own order; none: whatever it publishes. */
  readonly topics: readonly string[]
  readonly frequency: Frequency
}

export type WishFault = 'address' | 'language' | 'topics' | 'frequency'

/** As it came, before anything of it is believed. `undefined`: left to the newsroom. */
export type GivenWish = {
  readonly email: unknown
  readonly language?: unknown
  readonly topics?: unknown
  readonly frequency?: unknown
}

/** Reads a wish against what the newsroom offers; the first thing wrong with it otherwise. */
export function readWish(newsroom: Newsroom, given: GivenWish): Wish | { readonly fault: WishFault } {
  const address = typeof given.email === 'string' ? parseAddress(given.email) : null
  if (!address) return { fault: 'address' }
  const { language = newsroom.defaultLanguage, frequency = 'immediate', topics = [] } = given
  if (!isLanguage(language) || !newsroom.languages.includes(language)) return { fault: 'language' }
  if (!isFrequency(frequency)) return { fault: 'frequency' }
  if (!Array.isArray(topics)) return { fault: 'topics' }
  const offered = newsroom.topics.map(({ id }) => id)
  if (topics.length > offered.length || topics.some((topic) => !offered.includes(topic))) return { fault: 'topics' }
  return { address, language, frequency, topics: offered.filter((topic) => topics.includes(topic)) }
}

const isFrequency = (value: unknown): value is Frequency => (frequencies as readonly unknown[]).includes(value)
