/** The languages a reader can be addressed in: BCP 47 tags, each with its name in itself. */
export const languages = ['nb', 'nn', 'se', 'en', 'sv', 'da', 'fi'] as const

export type Language = (typeof languages)[number]

export const languageNames: Record<Language, string> = {
  nb: 'Norsk bokmål',
  nn: 'Norsk nynorsk',
  se: 'Davvisámegiella',
  en: 'English',
  sv: 'Svenska',
  da: 'Dansk',
  fi: 'Suomi',
}

export const isLanguage = (value: unknown): value is Language =>
  typeof value === 'string' && (languages as readonly string[]).includes(value)

/** The version a reader gets: their own language where there is one, else the newsroom's, else the first there is. */
export function chooseLanguage(wanted: Language, fallback: Language, offered: readonly Language[]): Language {
  if (offered.includes(wanted)) return wanted
  if (offered.includes(fallback)) return fallback
  return offered[0] ?? fallback
}
