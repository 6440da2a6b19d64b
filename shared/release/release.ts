import type { Brand } from '../brand.ts'
import type { Language } from '../language/language.ts'
import type { NewsroomId } from '../newsroom/newsroom.ts'

export type ReleaseId = Brand<string, 'ReleaseId'>

export const releaseKinds = ['release', 'correction', 'withdrawal'] as const
export type ReleaseKind = (typeof releaseKinds)[number]

/** One language version as the publisher sent it; `bodyHtml` is foreign HTML and is cleaned wherever it is shown. */
export type ReleaseText = { readonly title: string; readonly lead: string; readonly bodyHtml: string }

export type Contact = {
  readonly name: string
  readonly role?: string
  readonly phone?: string
  readonly email?: string
}
export type Image = {
  readonly url: string
  /** What the picture shows, for those who cannot see it; empty only where it is decoration. */
  readonly alt: string
  readonly caption?: string
  readonly credit?: string
}
export type ReleaseDocument = {
  readonly url: string
  readonly title: string
  /** Media type, for example `application/pdf`. */
  readonly type?: string
  /** Bytes. */
  readonly size?: number
}
export type Link = { readonly url: string; readonly title: string }

/** What one revision of a release says, in all its languages. */
export type ReleaseContent = {
  readonly languages: Partial<Record<Language, ReleaseText>>
  readonly contacts: readonly Contact[]
  readonly images: readonly Image[]
  readonly documents: readonly ReleaseDocument[]
  readonly links: readonly Link[]
}

/** One release as it stands: its newest revision. */
export type Release = {
  readonly id: ReleaseId
  readonly newsroomId: NewsroomId
  /** The publisher's own name for it; unique in the newsroom. */
  readonly externalId: string
  readonly revision: number
  readonly kind: ReleaseKind
  /** The embargo: nothing leaves and nothing is visible before it. */
  readonly publishedAt: Date
  /** IANA zone the publisher named the hour in. */
  readonly zone: string
  /** Ids of the newsroom's topics; none: it concerns everybody. */
  readonly topics: readonly string[]
  readonly content: ReleaseContent
}

/** What a reader of one language can see change in a release. */
export type ChangedPart =
  | 'title'
  | 'lead'
  | 'body'
  | 'contacts'
  | 'images'
  | 'documents'
  | 'links'
  /** The text in this language is new. */
  | 'language'
  /** Something in the text in another language. */
  | 'otherLanguage'

/** One change of a release that could be read already: when, what, and since when the earlier version was there. */
export type ReleaseChange = { readonly at: Date; readonly replaces: Date; readonly parts: readonly ChangedPart[] }

export const isVisible = (release: Pick<Release, 'publishedAt'>, now: Date) => release.publishedAt <= now
