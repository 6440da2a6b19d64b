import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { fullContent, sampleNewsroom, sampleRelease } from '../../services/cli/letters-preview-samples.ts'
import { type LayoutStore, mjmlVersion } from '../../shared/letter/layouts.ts'
import type { NoticeInput } from '../../shared/letter/prepare-notice.ts'
import { layoutsIn } from '../../shared/mailing/layout.sql.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openForgetting } from '../../workers/scheduler/forget.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

const compiled: string[] = []
vi.mock('../../shared/letter/mjml-compiler.ts', async (original) => {
  const { openMjmlCompiler } = await original<typeof import('../../shared/letter/mjml-compiler.ts')>()
  return {
    openMjmlCompiler: () => {
      const compiler = openMjmlCompiler()
      return { compile: (source: string) => compiler.compile(source).finally(() => compiled.push(source)) }
    },
  }
})

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await openTestDatabase()
  pool = database.pool
})
afterAll(async () => {
  // Test files share their modules.
  vi.doUnmock('../../shared/letter/mjml-compiler.ts')
  vi.resetModules()
  await database.close()
})
beforeEach(async () => {
  compiled.length = 0
  await pool.query('truncate layouts')
})

const where = { publicUrl: 'https://press.example', mailDomain: 'press.example' }
const notice: NoticeInput = {
  ...{ kind: 'confirmation', newsroom: sampleNewsroom, language: 'nb' },
  ...where,
}

const quiet = { info: () => {}, warn: () => {} }

const forget = () => {
  const spans = { deliveries: 90, webhooks: 30, notices: 90, origins: 365, addresses: 30, unconfirmed: 7 }
  const [log, now, stopping] = [quiet, () => new Date(), () => false]
  return openForgetting({ pool, log, spans, now, stopping, batch: 100, statements: 10 })()
}

/** What a process makes of it that has made no letter yet. */
async function prepareAnew(store: LayoutStore | null) {
  vi.resetModules()
  const { prepareNotice } = await import('../../shared/letter/prepare-notice.ts')
  return prepareNotice(notice, store)
}

test('a layout that one process had made is not made again by the next, which sends the same letter', async () => {
  const first = await prepareAnew(layoutsIn(pool, quiet))
  expect(compiled).toHaveLength(1)
  const second = await prepareAnew(layoutsIn(pool, quiet))
  expect(compiled).toHaveLength(1)
  expect(second).toEqual(first)
  expect(second).toEqual(await prepareAnew(null))
})

test('nothing a letter says of a newsroom, a release or a reader is kept with its layout', async () => {
  const store = layoutsIn(pool, quiet)
  // What this process has had made for other tests it would not ask for.
  await prepareAnew(store)
  const { prepareReleaseLetter } = await import('../../shared/letter/prepare-release.ts')
  const { prepareDigestLetter } = await import('../../shared/letter/prepare-digest.ts')
  const release = sampleRelease('release', fullContent)
  const letter = await prepareReleaseLetter({ ...where, newsroom: sampleNewsroom, release, language: 'nb' }, store)
  const said = /Fjordvik|Solvang|press\.example|[a-z]@[a-z]/
  const items = [{ release, telling: 'new' as const }]
  const mailingId = '1' as MailingId
  await prepareDigestLetter({ ...where, newsroom: sampleNewsroom, mailingId, items, language: 'nb' }, store)
  const { rows } = await pool.query<{ html: string }>('select html from layouts')
  expect(rows).toHaveLength(3)
  for (const { html } of rows) {
    expect(html).toContain('⟦0⟧')
    expect(html).not.toMatch(said)
  }
  // These words are in the letters.
  expect(Buffer.concat([...letter.segments]).toString()).toMatch(said)
})

test('a letter is made although no layout can be found or kept, and it is told why', async () => {
  const warn = vi.fn()
  await pool.query('alter table layouts rename to hidden')
  try {
    expect(await prepareAnew(layoutsIn(pool, { warn }))).toEqual(await prepareAnew(null))
  } finally {
    await pool.query('alter table hidden rename to layouts')
  }
  expect(warn).toHaveBeenCalledTimes(1)
  expect(warn).toHaveBeenCalledWith({ err: expect.any(Error) }, 'what MJML made cannot be looked up or kept')
})

describe('a layout', () => {
  test('that another process has kept meanwhile stays as it is', async () => {
    const layouts = layoutsIn(pool, quiet)
    const key = Buffer.from('key')
    expect(await layouts.find(key)).toBeNull()
    await layouts.keep(key, 'one')
    await layouts.keep(key, 'the other')
    expect(await layouts.find(key)).toBe('one')
  })

  test('is kept for a month, and made anew then', async () => {
    const layouts = layoutsIn(pool, quiet)
    const keys = ['old', 'young'].map((name) => Buffer.from(name))
    for (const [n, key] of keys.entries()) {
      await layouts.keep(key, 'html')
      await pool.query('update layouts set made_on = current_date - $2::int where key = $1', [key, 31 - n])
    }
    await forget()
    expect(await layouts.find(keys[0]!)).toBeNull()
    expect(await layouts.find(keys[1]!)).toBe('html')
  })

  test('is told from what another MJML made of the same source', () => {
    const installed = readFileSync(join(import.meta.dirname, '../../node_modules/mjml/package.json'), 'utf8')
    expect(mjmlVersion).toBe((JSON.parse(installed) as { version: string }).version)
  })
})
