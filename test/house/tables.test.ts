import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readSources, root } from './sources.ts'

/** Which room alone writes a table, as docs/architecture.md tells it. */
const owners: Readonly<Record<string, string>> = {
  newsrooms: 'newsroom',
  newsroom_keys: 'newsroom',
  releases: 'release',
  revisions: 'release',
  release_texts: 'release',
  release_changes: 'release',
  received_webhooks: 'release',
  mailings: 'mailing',
  renderings: 'mailing',
  layouts: 'mailing',
  chunks: 'delivery',
  deliveries: 'delivery',
  attempts: 'delivery',
  paces: 'delivery',
  digest_line: 'digest',
  digest_cuts: 'digest',
  digests: 'digest',
  digest_items: 'digest',
  subscribers: 'subscriber',
  address_changes: 'subscriber',
  subscriptions: 'subscription',
  consent_log: 'consent',
  notices: 'notice',
  link_requests: 'notice',
  suppressions: 'suppression',
  budgets: 'budget',
  workers: 'worker',
  chores: 'worker',
}

const writes = /\b(?:insert\s+into|update|delete\s+from)\s+([a-z_]+)\b/g

test('a table is written in one room only', () => {
  const strays: string[] = []
  let seen = 0
  for (const { path, text } of readSources('services', 'workers', 'shared')) {
    for (const statement of text.match(/`[^`]*`/g) ?? [])
      for (const [, table] of statement.matchAll(writes)) {
        const owner = owners[table!]
        if (owner === undefined) continue
        seen += 1
        if (!path.startsWith(`shared/${owner}/`) || !path.endsWith('.sql.ts')) strays.push(`${path} writes ${table}`)
      }
  }
  expect(seen).toBeGreaterThan(15)
  expect(strays).toEqual([])
})

test('every table of the schema has an owner, and the architecture names it', () => {
  const folder = join(root, 'shared/postgres/migrations')
  const migration = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const tables = [...migration.matchAll(/^create table ([a-z_]+)/gm)].map(([, table]) => table!)
  expect(tables.toSorted()).toEqual(Object.keys(owners).toSorted())
  const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  for (const table of tables)
    expect(architecture).toMatch(new RegExp(`^\\|.*\`${table}\`.*\\| ${owners[table]} \\|$`, 'm'))
})

test('no statement is glued together at run time', () => {
  const glued = readSources('services', 'workers', 'shared').filter(({ text }) =>
    [...text.matchAll(/\.query(?:<[^(]*>)?\(\s*(`[^`]*`)/g)].some(([, statement]) => statement!.includes('${')),
  )
  expect(glued.map(({ path }) => path)).toEqual([])
})
