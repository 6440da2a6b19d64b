import { expect, test } from 'vitest'
import { breakFiles } from '../chaos/mutate.ts'
import type { Mutation } from '../chaos/mutation.ts'
import { mutations } from '../chaos/mutations.ts'
import { entries } from '../rig/entries.ts'

/* A guard that has been rewritten would otherwise be missed only when somebody has an hour for all of them. */
test.each(Object.entries<Mutation>(mutations))(
  'the guard that %s takes out is where it is looked for',
  (_name, mutation) => {
    const broken = breakFiles(entries, mutation)
    expect([...broken.keys()].toSorted()).toEqual([...new Set(mutation.patches.map(({ file }) => file))].toSorted())
  },
)
