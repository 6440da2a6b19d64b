import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { breakFiles } from '../chaos/mutate.ts'
import type { Mutation } from '../chaos/mutation.ts'
import { mutations } from '../chaos/mutations.ts'
import { entries } from '../rig/entries.ts'

const migrations = 'shared/postgres/migrations/'

/* A guard that has been rewritten would otherwise be missed only when somebody has an hour for all of them. */
test.each(Object.entries<Mutation>(mutations))(
  'the guard that %s takes out is where it is looked for',
  (_name, mutation) => {
    const broken = breakFiles(entries, mutation)
    expect([...broken.keys()].toSorted()).toEqual([...new Set(mutation.patches.map(({ file }) => file))].toSorted())
  },
)

// What a later one makes anew is as it was, whatever was broken in the earlier.
test.each(
  Object.entries<Mutation>(mutations).flatMap(([name, { patches }]) =>
    patches.filter(({ file }) => file.startsWith(migrations)).map(({ file, find }) => [name, file, find] as const),
  ),
)('what %s breaks in %s is made anew by no later migration', (_name, file, find) => {
  const folder = join(entries, migrations)
  const before = readFileSync(join(entries, file), 'utf8').split(find)[0]!
  const made = [...before.matchAll(/^create (?:or replace )?(?:table|(function)) (\w+)/gm)].at(-1)!
  const later = readdirSync(folder).filter((one) => `${migrations}${one}` > file)
  const again = later.filter((one) => readFileSync(join(folder, one), 'utf8').includes(`function ${made[2]}(`))
  expect(made[1] ? again : []).toEqual([])
})
