import { releaseBody } from '../given/webhook.ts'

/** What a sentence of the body adds to a letter: it stands in both parts, and each å costs six bytes for two. */
const bytesOfSentence = 243

/** What a letter weighs without a body, its reader's own address, links and date among it. */
const bytesAround = 14_450

/** A letter with one sentence. */
export const smallestLetter = bytesAround + bytesOfSentence

/** Beyond it a letter's HTML comes near `mostHtmlBytes`, and is shortened: it would weigh less than was asked for. */
export const largestLetter = 150_000

/** A release's webhook whose letters weigh `bytes` on the wire, to within a sentence. */
export function releaseOfSize(bytes: number, externalId: string): string {
  const sentence =
    'Tolv klynger og nettverk slipper i år inn i det nasjonale klyngeprogrammet, og Nord-Norge får sin egen. '
  const sentences = Math.round((bytes - bytesAround) / bytesOfSentence)
  const paragraph = (length: number) => (length > 0 ? `<p>${sentence.repeat(length)}</p>` : '')
  const bodyHtml = paragraph(5).repeat(Math.floor(sentences / 5)) + paragraph(sentences % 5)
  return JSON.stringify(
    releaseBody({ externalId, languages: { nb: { title: 'Tolv nye i klyngeprogrammet', lead: sentence, bodyHtml } } }),
  )
}
