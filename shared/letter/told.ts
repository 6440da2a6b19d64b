import type { Language } from '../language/language.ts'
import { localeOf } from '../language/words.ts'

/** An instant as a reader of that language would write it, with the zone by name: the zone the publisher meant. */
export const toldMoment = (at: Date, zone: string, language: Language): string =>
  `${toldHour(at, zone, language)} (${toldZone(at, zone, language)})`

/** The same where the zone is told beside it, once for many. */
export function toldHour(at: Date, zone: string, language: Language): string {
  if (language === 'se') return toldInSami(at, zone)
  const told = formatOf(language, zone, { dateStyle: 'long', timeStyle: 'short' })
    .formatToParts(at)
    .map(({ type, value }) => (type === 'literal' && language !== 'en' ? value.replace(/^:$/, '.') : value))
    .join('')
  // The hour stays with the word before it.
  return told.replace(/(kl\.|klo) /, '$1\u00a0')
}

/** A zone by the name that holds in summer and winter alike. */
export function toldZone(at: Date, zone: string, language: Language): string {
  const parts = formatOf(language, zone, { timeZoneName: 'longGeneric' }).formatToParts(at)
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? zone
  // The Danish data begin it as a sentence begins; here it stands within one.
  return language === 'da' ? name.replace(/^\p{Lu}(?=\p{L}+ )/u, (letter) => letter.toLowerCase()) : name
}

/** A day in that zone, as a reader of that language would write it. */
export function toldDay(at: Date, zone: string, language: Language): string {
  if (language === 'se') return toldInSami(at, zone).replace(/ dii\.\u00a0.*$/, '')
  return formatOf(language, zone, { dateStyle: 'long' }).format(at)
}

/** Making a format costs a hundred times what using it does, and a list tells twenty moments. */
function formatOf(language: Language, zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${language} ${zone} ${Object.keys(options).join()}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat(localeOf(language), { ...options, timeZone: zone })
    formats.set(key, format)
  }
  return format
}

// One for each language and zone that is in use: some dozens.
const formats = new Map<string, Intl.DateTimeFormat>()

// The Unicode data for Northern Sámi has the month's name but no pattern of its own; a date takes it in the genitive.
function toldInSami(at: Date, zone: string): string {
  const parts = formatOf('se', zone, {
    ...{ year: 'numeric', month: 'long', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  }).formatToParts(at)
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? ''
  return `${part('month').replace(/mánnu$/, 'mánu')} ${part('day')}. b. ${part('year')} dii.\u00a0${part('hour')}.${part('minute')}`
}

/** What a document is and how large, for example “PDF, 1,2 MB”; empty where the publisher said neither. */
export function toldDocument(document: { url: string; type?: string; size?: number }, language: Language): string {
  return [toldType(document.type, document.url), toldSize(document.size, language)]
    .filter((part) => part !== '')
    .join(', ')
}

const typeNames: Readonly<Record<string, string>> = {
  'application/pdf': 'PDF',
  'application/msword': 'Word',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'Word',
  'application/vnd.ms-excel': 'Excel',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'Excel',
  'application/vnd.ms-powerpoint': 'PowerPoint',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'PowerPoint',
  'application/vnd.oasis.opendocument.text': 'ODT',
  'application/vnd.oasis.opendocument.spreadsheet': 'ODS',
  'application/zip': 'ZIP',
  'text/csv': 'CSV',
  'image/jpeg': 'JPEG',
  'image/svg+xml': 'SVG',
  'image/tiff': 'TIFF',
  'audio/mpeg': 'MP3',
  'video/quicktime': 'QuickTime',
}

function toldType(type: string | undefined, url: string): string {
  const media = (type ?? '').split(';')[0]!.trim().toLowerCase()
  if (Object.hasOwn(typeNames, media)) return typeNames[media]!
  const short = /^(?:image|video|audio|application)\/([a-z0-9]{2,4})$/.exec(media)?.[1]
  return (short ?? /\.([a-z0-9]{2,4})$/i.exec(url.split(/[?#]/)[0]!)?.[1] ?? '').toUpperCase()
}

const units = [
  { unit: 'gigabyte', bytes: 1e9 },
  { unit: 'megabyte', bytes: 1e6 },
  { unit: 'kilobyte', bytes: 1e3 },
] as const

function toldSize(size: number | undefined, language: Language): string {
  if (size === undefined || !(size > 0)) return ''
  const { unit, bytes } = units.find((one) => size >= one.bytes) ?? units[2]
  const count = size / bytes
  return new Intl.NumberFormat(localeOf(language), {
    ...{ style: 'unit', unit },
    maximumFractionDigits: count < 10 && unit !== 'kilobyte' ? 1 : 0,
  }).format(Math.max(count, 1))
}
