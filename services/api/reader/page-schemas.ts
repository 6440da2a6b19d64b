import { Type } from 'typebox'
import { languages } from '../../../shared/language/language.ts'
import { Problem } from '../refusal-replies.ts'

/** The shapes the reader's doors have in common, for the description of the API that is made from them. */
export const languageTag = Type.String({ enum: [...languages], description: 'BCP 47 tag of one of our languages' })

// Unknown parameters pass: whoever shares a link may have added their own.
export const pageQuery = Type.Object({
  language: Type.Optional(Type.String({ description: `The page's language, one of ${languages.join(', ')}` })),
})

export const slugParams = Type.Object({ slug: Type.String({ description: "The newsroom's name in addresses" }) })
export const tokenParams = Type.Object({ token: Type.String({ description: 'The token of a link we sent' }) })

export const htmlAnswer = { description: 'A page', content: { 'text/html': { schema: Type.String() } } }

export const problemAnswer = {
  description: 'A refusal; a page for those who prefer HTML',
  content: { 'application/problem+json': { schema: Problem }, 'text/html': { schema: Type.String() } },
}

/** Read one by one in the door, which answers faults in them with a page; described here for everybody else. */
export const formTypes = ['application/x-www-form-urlencoded', 'multipart/form-data'] as const
