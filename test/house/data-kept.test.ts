import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { settingTable } from '../../shared/config/settings.ts'
import { readSources, root } from './sources.ts'

const page = readFileSync(join(root, 'docs/data-kept.md'), 'utf8')
const rows = page
  .slice(page.indexOf('## Every table'))
  .split(/^## /m)[1]!
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )

test('docs/data-kept.md tells of every table what personal data it holds, why, for how long and what removes it', () => {
  const folder = join(root, 'shared/postgres/migrations')
  const migrations = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const tables = [...migrations.matchAll(/^create table ([a-z_]+)/gm)].map(([, table]) => table!)
  expect(rows.map(([table]) => table!.replaceAll('`', '')).toSorted()).toEqual(tables.toSorted())
  for (const cells of rows) expect([cells[0], cells.length, cells.every(Boolean)]).toEqual([cells[0], 5, true])
})

test('the spans and chores it names are there', () => {
  const settings = new Set([...page.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, name]) => name!))
  for (const name of settings) expect(Object.keys(settingTable)).toContain(name)
  const spans = Object.keys(settingTable).filter((name) => /_DAYS$/.test(name))
  expect(spans.filter((name) => !settings.has(name))).toEqual([])
  const workers = readSources('workers').find(({ path }) => path === 'workers/main.ts')!.text
  const chores = [...page.matchAll(/chores? `([a-z-]+)`(?: and `([a-z-]+)`)?/g)].flatMap(([, ...names]) => names)
  for (const name of new Set(chores.filter(Boolean))) expect(workers).toContain(`name: '${name}'`)
})
