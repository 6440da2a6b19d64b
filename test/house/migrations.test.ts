import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { root } from './sources.ts'

/**
 * Processes of two versions run beside each other while an installation is upgraded, in any order, and the schema is the
 * newer one's from the first start on. So a migration adds; what it takes away or makes stricter has a word above it that
 * says since which migration no process asks for it any more. See docs/operating.md.
 */
const stricter: readonly (readonly [what: string, RegExp])[] = [
  ['drops', /\bdrop (?:table|column|view|function|type|schema|index|trigger)\b/i],
  ['renames', /\brename\b/i],
  ['changes a type', /\balter column \w+ (?:set data )?type\b/i],
  ['makes a column required', /\balter column \w+ set not null\b/i],
  ['takes a default away', /\balter column \w+ drop default\b/i],
  [
    'adds a required column without a default',
    /\badd column (?:if not exists )?\w+ [^,;]*\bnot null\b(?![^,;]*\bdefault\b)/i,
  ],
  ['deletes rows', /^\s*(?:delete from|truncate)\b/im],
]

/** Constraints on tables there were before: one that only grows is dropped and added anew, under its name. */
function narrowed(sql: string): string[] {
  const named = (pattern: RegExp) => [...sql.matchAll(pattern)].map(([, name]) => name!)
  const dropped = named(/\bdrop constraint (\w+)/gi)
  const added = named(/\badd constraint (\w+)/gi)
  return [
    ...dropped.filter((name) => !added.includes(name)).map((name) => `drops constraint ${name}`),
    ...added.filter((name) => !dropped.includes(name)).map((name) => `adds constraint ${name}`),
  ]
}

/** Unique indexes refuse what an older process writes, unless their table is as new as they are. */
const uniqueOnOld = (sql: string) =>
  [...sql.matchAll(/create unique index \w+ on (\w+)/gi)]
    .map(([, table]) => table!)
    .filter((table) => !new RegExp(`create table ${table}\\b`, 'i').test(sql))
    .map((table) => `makes rows of ${table} unique`)

/** The words of a wider check hold those of the check before: no value is refused that was taken. */
function listsOf(sql: string): Map<string, string[]> {
  const lists = new Map<string, string[]>()
  for (const [, name, values] of sql.matchAll(/add constraint (\w+)\s+check \(\w+ in \(([^)]*)\)\)/gi))
    lists.set(
      name!,
      [...values!.matchAll(/'([^']*)'/g)].map(([, value]) => value!),
    )
  // The name PostgreSQL gives a check that stands with its column.
  for (const [, table, columns] of sql.matchAll(/create table (\w+) \(([\s\S]*?)\n\)/gi))
    for (const [, column, values] of columns!.matchAll(/^ {2}(\w+) [^\n]*?check \(\w+ in \(([^)]*)\)\)/gim))
      lists.set(
        `${table}_${column}_check`,
        [...values!.matchAll(/'([^']*)'/g)].map(([, value]) => value!),
      )
  return lists
}

function faultsOf(sql: string): string[] {
  // What is told to be unused is read as if it were not there: `-- Unused since 0012: why` above its statement.
  const statements = sql
    .replace(/^-- Unused since \d{4}: [\s\S]*?;/gm, '')
    .replace(/--.*$/gm, '')
    .replace(/\$\$[\s\S]*?\$\$/g, '')
  return [
    ...stricter.filter(([, pattern]) => pattern.test(statements)).map(([what]) => what),
    ...narrowed(statements),
    ...uniqueOnOld(statements),
  ]
}

const folder = join(root, 'shared/postgres/migrations')
const migrations = readdirSync(folder)
  .toSorted()
  .map((name) => ({ name, sql: readFileSync(join(folder, name), 'utf8') }))

describe('a migration', () => {
  test('only adds to what processes of the version before ask for', () => {
    expect(migrations.length).toBeGreaterThan(10)
    const faults = migrations.flatMap(({ name, sql }) => faultsOf(sql).map((fault) => `${name} ${fault}`))
    expect(faults).toEqual([])
  })

  test('that widens a list of words keeps all that were in it', () => {
    const known = new Map<string, string[]>()
    let widened = 0
    for (const { name, sql } of migrations)
      for (const [check, words] of listsOf(sql)) {
        const before = known.get(check) ?? []
        if (before.length > 0) widened += 1
        expect([name, check, before.filter((word) => !words.includes(word))]).toEqual([name, check, []])
        known.set(check, words)
      }
    expect(widened).toBeGreaterThan(2)
  })

  test('says since when something is unused by the number of an earlier one', () => {
    for (const { name, sql } of migrations)
      for (const [, since] of sql.matchAll(/^-- Unused since (\d{4}):/gm)) expect(since! < name.slice(0, 4)).toBe(true)
  })

  test.each([
    ['alter table a drop column b;', 'drops'],
    ['drop table a;', 'drops'],
    ['alter table a rename column b to c;', 'renames'],
    ['alter table a alter column b type bigint;', 'changes a type'],
    ['alter table a alter column b set not null;', 'makes a column required'],
    ['alter table a add column b int not null;', 'adds a required column without a default'],
    ['alter table a add constraint b check (c > 0);', 'adds constraint b'],
    ['create unique index a on b (c);', 'makes rows of b unique'],
    ['delete from a;', 'deletes rows'],
  ])('like “%s” would be found', (sql, fault) => {
    expect(faultsOf(sql)).toContain(fault)
    expect(faultsOf(`-- Unused since 0001: told.\n${sql}`)).toEqual([])
  })

  test.each([
    'alter table a add column b int not null default 0, add column c text;',
    'create table a (b int not null); create unique index c on a (b);',
    "alter table a drop constraint b, add constraint b check (c in ('d', 'e'));",
  ])('like “%s” is none of these', (sql) => {
    expect(faultsOf(sql)).toEqual([])
  })
})
