import { basename, join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import all from '../../vitest.config.ts'

/** The files that take longest, in the order in which they are begun. */
const longest = ['letters', 'letters-naughty', 'journey', 'reader-pages', 'follow-box', 'ops', 'choices']

/**
 * Begun last, a long file would run on by itself while the other workers have nothing left to do. Vitest goes by what
 * files took the last time, which a clean checkout does not know.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => placeOf(one) - placeOf(other))
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.indexOf(basename(moduleId, '.test.ts'))
  return place === -1 ? longest.length : place
}

/** Everything that is seen in Chromium: a third of what all tests cost, so `npm test` leaves it to a command of its own. */
export default defineConfig({
  root: join(import.meta.dirname, '../..'),
  test: { ...all.test, include: ['test/browser/**/*.test.ts'], sequence: { sequencer: LongestFirst } },
})
