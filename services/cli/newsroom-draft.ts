import { readFileSync } from 'node:fs'
import { uuidv7 } from 'uuidv7'
import { isLanguage, type Language, languages } from '../../shared/language/language.ts'
import { type Newsroom, type NewsroomId, newsroomFaults } from '../../shared/newsroom/newsroom.ts'
import { parseUrl } from '../../shared/web-address.ts'
import { Mistake, usageMistake } from './mistake.ts'

/** What the options of `newsroom create` and `update` say; `file` names a JSON file in the form of a newsroom. */
export type NewsroomOptions = {
  file?: string
  name?: string
  languages?: string
  defaultLanguage?: string
  zone?: string
  senderAddress?: string
  senderName?: string
  replyTo?: string
  legalName?: string
  postalAddress?: string
  website?: string
  logoUrl?: string
  accent?: string
  digestHour?: string
  digestWeekday?: string
  allowedOrigins?: string
}

/** The newsroom that a file and options together describe, or every reason why it cannot be made, at once. */
export function newsroomFrom(slug: string | undefined, options: NewsroomOptions, api: string | null): Newsroom {
  const draft = draftFrom(options, api)
  if (slug !== undefined) draft.slug = slug
  return judged({ ...fill(draft), id: uuidv7() as NewsroomId }, 'The newsroom cannot be made so:')
}

/** A newsroom that there is, with what a file and options say anew; whatever neither speaks of stays as it is. */
export function amendedNewsroom(known: Newsroom, options: NewsroomOptions, api: string | null): Newsroom {
  const draft = draftFrom(options, api)
  if (draft.slug !== undefined && draft.slug !== known.slug)
    throw usageMistake(
      `The file is about “${String(draft.slug)}”, not about “${known.slug}”.`,
      'A newsroom keeps its slug: its addresses are in letters that were sent long ago.',
    )
  return judged({ ...fill({ ...known, ...draft }), id: known.id }, 'The newsroom cannot be changed so:')
}

function draftFrom(options: NewsroomOptions, api: string | null): Record<string, unknown> {
  const file = options.file === undefined ? {} : readDraft(options.file, api)
  const unknown = Object.keys(file).filter((name) => !members.has(name))
  if (unknown.length > 0)
    throw usageMistake(
      `The file speaks of ${unknown.join(', ')}, which a newsroom does not have.`,
      `It has ${[...members].join(', ')}.`,
    )
  const { file: _, languages: list, allowedOrigins: origins, ...given } = options
  const draft: Record<string, unknown> = { ...file, ...given }
  if (list !== undefined) draft.languages = list.split(',').map((tag) => tag.trim())
  if (origins !== undefined) draft.allowedOrigins = origins.split(',').flatMap((origin) => origin.trim() || [])
  return draft
}

function judged(newsroom: Newsroom, complaint: string): Newsroom {
  const faults = [...newsroomFaults(newsroom), ...moreFaults(newsroom)]
  if (faults.length > 0) throw usageMistake(complaint, ...faults)
  return newsroom
}

const members = new Set([
  ...['slug', 'name', 'languages', 'defaultLanguage', 'zone', 'senderAddress', 'senderName', 'replyTo', 'legalName'],
  ...['postalAddress', 'website', 'logoUrl', 'accent', 'about', 'topics', 'digestHour', 'digestWeekday'],
  'allowedOrigins',
])

function readDraft(path: string, api: string | null): Record<string, unknown> {
  try {
    const text = readFileSync(path, 'utf8').replaceAll('{{publicUrl}}', api ?? '{{publicUrl}}')
    if (text.includes('{{publicUrl}}'))
      throw usageMistake(`${path} speaks of {{publicUrl}}, and no public address is known.`, 'Set PUBLIC_URL.')
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (error) {
    if (error instanceof Mistake) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw usageMistake(`There is no file ${path}.`)
    throw usageMistake(`${path} cannot be read as JSON.`)
  }
  throw usageMistake(`${path} does not hold a newsroom.`, 'examples/newsroom.json shows the form.')
}

function fill(draft: Record<string, unknown>): Omit<Newsroom, 'id'> {
  const text = (name: string): string | null => {
    // Empty is how an option says “none any more”.
    const value = draft[name] === '' ? null : (draft[name] ?? null)
    if (value !== null && typeof value !== 'string') throw usageMistake(`“${name}” must be text.`)
    return value
  }
  const needed = (name: string, option: string): string => {
    const value = text(name)?.trim()
    if (!value) throw usageMistake(`A newsroom needs ${option}.`, 'pressebud newsroom create --help shows them all.')
    return value
  }
  const name = needed('name', '--name')
  const tags = languagesOf(draft.languages)
  return {
    slug: needed('slug', 'a slug'),
    name,
    languages: tags,
    defaultLanguage: languagesOf([text('defaultLanguage') ?? tags[0]])[0]!,
    zone: text('zone') ?? 'Europe/Oslo',
    senderAddress: needed('senderAddress', '--sender-address'),
    senderName: text('senderName') ?? name,
    replyTo: text('replyTo'),
    legalName: text('legalName') ?? name,
    postalAddress: needed('postalAddress', '--postal-address'),
    website: text('website'),
    logoUrl: text('logoUrl'),
    accent: text('accent') ?? '#1f4e79',
    about: aboutOf(draft.about),
    topics: topicsOf(draft.topics),
    digestHour: numberOf(draft, 'digestHour') ?? 8,
    digestWeekday: numberOf(draft, 'digestWeekday') ?? 1,
    allowedOrigins: originsOf(draft.allowedOrigins),
  }
}

function languagesOf(value: unknown): Language[] {
  const tags = Array.isArray(value) ? value : []
  const unknown = tags.find((tag) => !isLanguage(tag))
  if (unknown !== undefined)
    throw usageMistake(
      `“${String(unknown)}” is not a language Pressebud writes in.`,
      `It writes in ${languages.join(', ')}.`,
    )
  return [...new Set(tags as Language[])]
}

function aboutOf(value: unknown): Newsroom['about'] {
  const about = Object.entries(typeof value === 'object' && value !== null ? value : {})
  languagesOf(about.map(([tag]) => tag))
  if (about.some(([, text]) => typeof text !== 'string')) throw usageMistake('“about” holds a text for each language.')
  return Object.fromEntries(about)
}

/** A number, written as one in a file and as text in an option. */
function numberOf(draft: Record<string, unknown>, name: string): number | null {
  const value = draft[name] ?? null
  if (value === null) return null
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || Number.isNaN(number)) throw usageMistake(`“${name}” must be a number.`)
  return number
}

function topicsOf(value: unknown): Newsroom['topics'] {
  const topics: unknown[] = Array.isArray(value) ? value : []
  return topics.map((topic) => {
    const { id, names } = (typeof topic === 'object' && topic !== null ? topic : {}) as {
      id?: unknown
      names?: unknown
    }
    if (typeof id !== 'string' || typeof names !== 'object' || names === null)
      throw usageMistake('A topic holds an “id” and “names”, one for each language.')
    const told = Object.entries(names)
    languagesOf(told.map(([tag]) => tag))
    if (told.some(([, name]) => typeof name !== 'string'))
      throw usageMistake(`The names of topic “${id}” must be text.`)
    return { id, names: Object.fromEntries(told) }
  })
}

function originsOf(value: unknown): readonly string[] {
  const origins: unknown[] = Array.isArray(value) ? value : []
  if (origins.some((origin) => typeof origin !== 'string')) throw usageMistake('“allowedOrigins” holds web origins.')
  return origins as string[]
}

function moreFaults(newsroom: Newsroom): string[] {
  const faults: string[] = []
  for (const url of [newsroom.website, newsroom.logoUrl])
    if (url !== null && !/^https?:$/.test(parseUrl(url)?.protocol ?? '')) faults.push(`“${url}” is not a web address.`)
  return faults
}
