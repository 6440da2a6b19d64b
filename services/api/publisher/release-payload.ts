import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/schema'
import { type Language, languages } from '../../../shared/language/language.ts'
import { isZone, type Newsroom, type Topic } from '../../../shared/newsroom/newsroom.ts'
import type { Fault } from '../../../shared/refusal/refusal.ts'
import { parseAddress } from '../../../shared/subscriber/address.ts'
import { parseUrl } from '../../../shared/web-address.ts'

/*
 * The body of the publisher's webhook. Unknown members are refused, not passed over: a `publishedat` that was quietly
 * ignored would be a broken embargo.
 */

const line = (most: number, description: string) => Type.String({ minLength: 1, maxLength: most, description })
const optionalLine = (most: number, description: string) => Type.Optional(Type.String({ maxLength: most, description }))
const url = (description: string) => Type.String({ minLength: 1, maxLength: 2_000, format: 'uri', description })
const closed = { additionalProperties: false }

const ReleaseText = Type.Object(
  {
    title: line(300, 'One line.'),
    lead: Type.String({ maxLength: 2_000, description: 'The opening paragraph; plain text.' }),
    bodyHtml: Type.String({ maxLength: 100_000, description: 'HTML; cleaned to an allow-list wherever it is shown.' }),
  },
  closed,
)

const Data = Type.Object(
  {
    externalId: line(200, "The publisher's own name for the release; unique in the newsroom."),
    publishedAt: Type.String({
      description: 'The embargo: RFC 3339 with its offset. Nothing leaves and nothing is visible before it.',
      examples: ['2024-03-14T10:00:00+01:00'],
    }),
    zone: line(60, 'The IANA zone the hour is told in, for example Europe/Oslo.'),
    topics: Type.Optional(
      Type.Array(line(63, 'The id of one of the newsroom’s topics.'), {
        maxItems: 20,
        description: 'What it is about; left out or empty, it goes to every reader.',
      }),
    ),
    languages: Type.Partial(Type.Object(Object.fromEntries(languages.map((tag) => [tag, ReleaseText])), closed)),
    contacts: Type.Array(
      Type.Object(
        {
          name: line(200, 'Who answers questions.'),
          role: optionalLine(200, 'Their role.'),
          phone: optionalLine(60, 'As it should be read.'),
          email: optionalLine(254, 'Their address.'),
        },
        closed,
      ),
      { maxItems: 20 },
    ),
    images: Type.Array(
      Type.Object(
        {
          url: url('https; the picture stays on the publisher’s server.'),
          alt: Type.String({ maxLength: 500, description: 'What it shows; empty only where it is decoration.' }),
          caption: optionalLine(1_000, 'Under the picture.'),
          credit: optionalLine(200, 'Who made it.'),
        },
        closed,
      ),
      { maxItems: 20 },
    ),
    documents: Type.Array(
      Type.Object(
        {
          url: url('Where it lies.'),
          title: line(300, 'What it is.'),
          type: optionalLine(100, 'Media type, for example application/pdf.'),
          size: Type.Optional(Type.Integer({ minimum: 0, maximum: 1e12, description: 'Bytes.' })),
        },
        closed,
      ),
      { maxItems: 20 },
    ),
    links: Type.Array(Type.Object({ url: url('Where it leads.'), title: line(300, 'What is there.') }, closed), {
      maxItems: 20,
    }),
  },
  closed,
)

const said = { timestamp: Type.String({ description: 'When it happened: RFC 3339.' }) }

/** A release for the first time, or one that amends it: whole, not as a difference. */
export const ReleaseTold = Type.Object(
  { type: Type.Union([Type.Literal('release.published'), Type.Literal('release.corrected')]), ...said, data: Data },
  { ...closed, title: 'ReleaseTold' },
)
export type ReleaseTold = Static<typeof ReleaseTold>

/** A release is retracted. */
export const ReleaseWithdrawn = Type.Object(
  { type: Type.Literal('release.withdrawn'), ...said, data: Type.Pick(Data, ['externalId'], closed) },
  { ...closed, title: 'ReleaseWithdrawn' },
)
export type ReleaseWithdrawn = Static<typeof ReleaseWithdrawn>

export const ReleaseWebhook = Type.Union([ReleaseTold, ReleaseWithdrawn])

const told = Compile(ReleaseTold)
const withdrawn = Compile(ReleaseWithdrawn)

export type ReadWebhook =
  | { readonly type: ReleaseTold['type']; readonly data: ReleaseTold['data']; readonly publishedAt: Date }
  | { readonly type: 'release.withdrawn'; readonly data: ReleaseWithdrawn['data'] }

/** The body as a release's news, or every fault in it with its place. */
export function readReleaseWebhook(
  body: unknown,
  { languages: offered, topics }: Pick<Newsroom, 'languages' | 'topics'>,
): ReadWebhook | { faults: readonly Fault[] } {
  if ((body as { type?: unknown } | null)?.type === 'release.withdrawn') {
    if (!withdrawn.Check(body)) return { faults: shapeFaults(withdrawn.Errors(body)[1]) }
    const faults = [...textFaults(body, ''), ...timestampFaults(body.timestamp)]
    return faults.length > 0 ? { faults } : { type: body.type, data: body.data }
  }
  if (!told.Check(body)) return { faults: shapeFaults(told.Errors(body)[1]) }
  const faults = [...textFaults(body, ''), ...meaningFaults(body, offered), ...topicFaults(body, topics)]
  return faults.length > 0
    ? { faults }
    : { type: body.type, data: body.data, publishedAt: new Date(body.data.publishedAt) }
}

/** Faults told at once; a body of nonsense should not be answered with a book. */
const mostFaults = 20

function shapeFaults(errors: readonly { instancePath: string; message: string }[]): Fault[] {
  return errors.slice(0, mostFaults).map((error) => ({
    pointer: error.instancePath,
    detail: `This ${error.message}.`.replace(
      'must not have additional properties',
      'holds a member that is not known here',
    ),
  }))
}

/** Members in which a paragraph may break; everywhere else a text is one line, because it may become a header. */
const manyLines = /\/(lead|bodyHtml|caption)$/

function textFaults(value: unknown, pointer: string): Fault[] {
  if (typeof value === 'string') {
    if (!value.isWellFormed()) return [{ pointer, detail: 'This holds half a character (a lone surrogate).' }]
    const controls = manyLines.test(pointer)
      ? /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/
      : /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
    return controls.test(value) ? [{ pointer, detail: 'This holds a line break or control character.' }] : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => textFaults(member, `${pointer}/${escapePointer(key)}`))
}

const timestampFaults = (timestamp: string): Fault[] =>
  isInstant(timestamp) ? [] : [{ pointer: '/timestamp', detail: 'This is not a time as RFC 3339 writes it.' }]

function meaningFaults({ timestamp, data }: ReleaseTold, offered: readonly Language[]): Fault[] {
  const faults: Fault[] = timestampFaults(timestamp)
  const fault = (pointer: string, detail: string) => faults.push({ pointer, detail })
  if (!isInstant(data.publishedAt))
    fault('/data/publishedAt', 'This is not a time with its offset, such as 2024-03-14T10:00:00+01:00.')
  if (!isZone(data.zone)) fault('/data/zone', 'This is not a time zone; write it as in Europe/Oslo.')

  const tags = Object.keys(data.languages) as Language[]
  if (tags.length === 0) fault('/data/languages', `Give the release in at least one of: ${offered.join(', ')}.`)
  for (const tag of tags) {
    if (!offered.includes(tag))
      fault(`/data/languages/${tag}`, `This newsroom does not write in this language, only in: ${offered.join(', ')}.`)
    if (data.languages[tag]?.title.trim() === '') fault(`/data/languages/${tag}/title`, 'A release needs a title.')
  }
  data.contacts.forEach(({ email }, index) => {
    if (email && parseAddress(email) === null) fault(`/data/contacts/${index}/email`, 'This is not an email address.')
  })
  for (const room of ['images', 'documents', 'links'] as const)
    data[room].forEach(({ url: address }, index) => {
      if (!isWebAddress(address))
        fault(`/data/${room}/${index}/url`, 'This is not an address that starts with https:// or http://.')
    })
  return faults
}

function topicFaults({ data }: ReleaseTold, topics: readonly Topic[]): Fault[] {
  const known = topics.map(({ id }) => id)
  const hint = known.length > 0 ? `only: ${known.join(', ')}` : 'and has none'
  return (data.topics ?? []).flatMap((topic, index) =>
    known.includes(topic)
      ? []
      : [{ pointer: `/data/topics/${index}`, detail: `This newsroom does not have this topic, ${hint}.` }],
  )
}

const isInstant = (text: string) =>
  /^20\d\d-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))

const isWebAddress = (text: string) => parseUrl(text) !== null && /^https?:\/\//i.test(text) && !/[\s<>"]/.test(text)

const escapePointer = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')
