import type { FastifyRequest } from 'fastify'
import { isLanguage, type Language } from '../../../shared/language/language.ts'

/**
 * The language of a page: the one asked for in the address, else the first of the browser's that is offered, else the
 * fallback. What is asked for in the address is always given, because every page has its words in every language.
 */
export function pageLanguage(request: FastifyRequest, offered: readonly Language[], fallback: Language): Language {
  const asked = (request.query as { language?: unknown } | undefined)?.language
  if (isLanguage(asked)) return asked
  return (
    acceptedLanguages(request.headers['accept-language']).find((language) => offered.includes(language)) ?? fallback
  )
}

// Browsers name written Norwegian and Northern Sámi in several ways.
const otherNames: Record<string, Language> = { no: 'nb', sme: 'se', smi: 'se' }

/** The languages of an Accept-Language header that we know, the most wanted first. */
export function acceptedLanguages(header: string | undefined): Language[] {
  return (header ?? '')
    .slice(0, 500)
    .split(',')
    .map((range) => {
      const [tag = '', ...parameters] = range.trim().toLowerCase().split(';')
      const quality = parameters.map((one) => /^\s*q=([\d.]+)\s*$/.exec(one)?.[1]).find(Boolean)
      const primary = tag.split('-')[0]!
      return { language: otherNames[primary] ?? primary, quality: quality === undefined ? 1 : Number(quality) }
    })
    .filter(
      (range): range is { language: Language; quality: number } => isLanguage(range.language) && range.quality > 0,
    )
    .sort((a, b) => b.quality - a.quality)
    .map((range) => range.language)
}
