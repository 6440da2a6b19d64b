import { isDeepStrictEqual } from 'node:util'
import { countLeftBehind, updateNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { chooseNewsroom } from './choose-newsroom.ts'
import type { CliDeps } from './cli-deps.ts'
import { amendedNewsroom, type NewsroomOptions } from './newsroom-draft.ts'
import { asJson, count, factsOf } from './terminal.ts'

/** `newsroom update`: changes what it is told, says what that was, and whom it leaves behind. */
export async function updateNewsroomBy(
  { terminal, surroundings, now }: CliDeps,
  slug: string,
  options: NewsroomOptions & { json?: true },
): Promise<void> {
  const { json, ...given } = options
  const db = surroundings.database()
  const known = await chooseNewsroom(db, slug)
  const amended = amendedNewsroom(known, given, surroundings.api)
  const changes = changesBetween(known, amended)
  const warnings = changes.length === 0 ? [] : await warningsOf(db, known, amended)
  if (changes.length > 0) await updateNewsroom(db, amended, now())
  if (json) return terminal.out(asJson({ newsroom: amended, changed: changes.map(([name]) => name), warnings }))
  if (changes.length === 0) return terminal.out(`${known.name} is as you say already; nothing was changed.\n`)
  terminal.out(`${terminal.paint.good('✓')} ${amended.name} was changed:\n`)
  terminal.out(factsOf(terminal.paint, changes))
  for (const warning of warnings) terminal.err(`${terminal.paint.bad('!')} ${warning}\n`)
}

/** Each member that is another now, and in words what became of it. */
function changesBetween(known: Newsroom, amended: Newsroom): [name: string, change: string][] {
  return (Object.keys(amended) as (keyof Newsroom)[])
    .filter((name) => !isDeepStrictEqual(known[name], amended[name]))
    .map((name) => {
      if (name === 'topics') return [name, topicChange(known.topics, amended.topics)]
      if (name === 'about') return [name, `anew in ${newIn(known.about, amended.about).join(', ')}`]
      return [name, `${told(known[name])} → ${told(amended[name])}`]
    })
}

const told = (value: unknown): string =>
  value === null || (Array.isArray(value) && value.length === 0)
    ? 'none'
    : Array.isArray(value)
      ? value.join(', ')
      : String(value)

function topicChange(known: Newsroom['topics'], amended: Newsroom['topics']): string {
  const ids = (topics: Newsroom['topics']) => topics.map(({ id }) => id)
  const [before, after] = [ids(known), ids(amended)]
  const renamed = amended.filter((topic) => {
    const earlier = known.find(({ id }) => id === topic.id)
    return earlier && !isDeepStrictEqual(earlier.names, topic.names)
  })
  const parts = [
    ['added', after.filter((id) => !before.includes(id))],
    ['removed', before.filter((id) => !after.includes(id))],
    ['renamed', ids(renamed)],
  ] as const
  const said = parts.flatMap(([what, which]) => (which.length > 0 ? [`${what} ${which.join(', ')}`] : []))
  return said.length > 0 ? said.join('; ') : 'in another order'
}

const newIn = (known: Newsroom['about'], amended: Newsroom['about']) =>
  [...new Set([...Object.keys(known), ...Object.keys(amended)])].filter(
    (tag) => known[tag as keyof Newsroom['about']] !== amended[tag as keyof Newsroom['about']],
  )

/** Readers whose wish has nothing left to be about: they are told of, not changed, because it is their wish. */
async function warningsOf(
  db: Parameters<typeof countLeftBehind>[0],
  known: Newsroom,
  amended: Newsroom,
): Promise<string[]> {
  const topics = known.topics.map(({ id }) => id).filter((id) => !amended.topics.some((topic) => topic.id === id))
  const languages = known.languages.filter((tag) => !amended.languages.includes(tag))
  if (topics.length + languages.length === 0) return []
  const { byTopic, byLanguage } = await countLeftBehind(db, known.id, { topics, languages })
  return [
    ...(byTopic > 0
      ? [`${count(byTopic, 'reader')} chose nothing but what was removed, and will get only releases without a topic.`]
      : []),
    ...(byLanguage > 0
      ? [`${count(byLanguage, 'reader')} read in a language that was removed, and will get ${amended.defaultLanguage}.`]
      : []),
  ]
}
