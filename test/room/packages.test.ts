import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { expect, test } from 'vitest'
import { entries, entry } from '../rig/entries.ts'

/** What a process imports, and where Node.js finds it. */
const foundBy = (path: string) => {
  const file = entry(path)
  const { resolve } = createRequire(file)
  return [...readFileSync(file, 'utf8').matchAll(/^import .* from '([^.'][^']*)';$/gm)]
    .map(([, specifier]) => specifier!)
    .filter((specifier) => !specifier.startsWith('node:'))
    .map((specifier) => resolve(specifier))
}

test('processes load their packages from the few files the build wrote', () => {
  const bundled = join(realpathSync(entries), 'node_modules') + sep
  const paths = [
    ...['services/ops/app.js', 'services/ops/queue-board/queue-board.js', 'services/api/publisher/release-payload.js'],
    ...['shared/queues/queue-store.js', 'shared/postgres/pool.js', 'shared/log/log.js', 'services/cli/program.js'],
  ]
  const found = paths.flatMap(foundBy)
  expect(found.length).toBeGreaterThan(8)
  expect(found.filter((file) => !file.startsWith(bundled))).toEqual([])
  // One file each, and what several share; not the packages over again.
  expect(readdirSync(bundled, { recursive: true }).length).toBeLessThan(200)
})
