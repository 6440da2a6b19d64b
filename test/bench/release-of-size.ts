import { releaseBody } from '../given/webhook.ts'

/** A release's webhook whose letters weigh about `bytes` on the wire: everything but the body is some 13,000. */
export function releaseOfSize(bytes: number, externalId: string): string {
  const sentence =
    'Tolv klynger og nettverk slipper i år inn i det nasjonale klyngeprogrammet, og Nord-Norge får sin egen. '
  // The text stands once in the HTML part and once in the plain one, and each å costs six bytes for two.
  const paragraphs = Math.max(1, Math.round((bytes - 13_000) / (2.2 * Buffer.byteLength(sentence) * 5)))
  const bodyHtml = `<p>${sentence.repeat(5)}</p>`.repeat(paragraphs)
  return JSON.stringify(
    releaseBody({ externalId, languages: { nb: { title: 'Tolv nye i klyngeprogrammet', lead: sentence, bodyHtml } } }),
  )
}
