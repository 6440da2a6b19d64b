import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keepSecret } from '../../services/standalone/kept-secret.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenSecret } from '../given/webhook.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { freePort } from '../rig/programs.ts'
import { endLauncher, launch, otherPorts } from '../rig/standalone.ts'

let folder: string
let database: TestDatabase
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pressebud-settings-'))
  database = await openTestDatabase()
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true, force: true })
})

const good = 'a-secret-key-that-is-as-good-as-any-other'

/** How a start ends that cannot come to anything: its exit code, and the lines at the terminal. */
async function ending(settings: Record<string, string>): Promise<{ code: number | null; lines: string[] }> {
  const launching = launch(join(folder, 'data'), {
    ...(await otherPorts()),
    DATABASE_URL: database.url,
    ...settings,
  })
  const code = await launching.ended().finally(() => endLauncher(launching))
  const lines = launching
    .shown()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^Port \d+ is busy/.test(line))
  return { code, lines }
}

const newsrooms = async () => {
  const { rows } = await database.pool.query<{ slug: string }>('select slug from newsrooms')
  return rows.map(({ slug }) => slug)
}

describe('npm start with settings that are wrong', () => {
  test('tells each of them in a line, before anything is written', async () => {
    const wrong = {
      SECRET_KEY: 'too-short',
      OPS_PASSWORD: 'short',
      PUBLIC_URL: 'http://press.example',
      SMTP_URL: 'smtp://mail.example/inbox',
      SIGN_UPS_PER_HOUR: 'many',
      DKIM_DOMAIN: 'havna.example',
    }
    const { code, lines } = await ending(wrong)
    expect(code).toBe(2)
    expect(lines.map((line) => line.split(' ')[0]).toSorted()).toEqual(
      [...Object.keys(wrong).filter((name) => name !== 'DKIM_DOMAIN'), 'DKIM_SELECTOR', 'DKIM_RSA_KEY_FILE'].toSorted(),
    )
    expect(existsSync(join(folder, 'data'))).toBe(false)
    expect(await newsrooms()).toEqual([])
  })

  test('tells in a line that SECRET_KEY is not the one the database was sealed with, and writes nothing into it', async () => {
    const newsroom = await givenNewsroom(database.pool)
    await givenSecret(database.pool, newsroom)
    const { code, lines } = await ending({ SECRET_KEY: good })
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^This database was made under another SECRET_KEY/)]])
    expect(await newsrooms()).toEqual([newsroom.slug])
  })

  test('tells in a line that there is no such database, or none that answers', async () => {
    const [silent, unknown] = [new URL(database.url), new URL(database.url)]
    silent.port = String(await freePort())
    unknown.pathname = '/nowhere'
    expect(await ending({ DATABASE_URL: silent.href })).toEqual({
      code: 1,
      lines: ['The database does not answer. Check the host and port in DATABASE_URL.'],
    })
    expect(await ending({ DATABASE_URL: unknown.href })).toEqual({
      code: 1,
      lines: ['The server has no database by the name in DATABASE_URL.'],
    })
  })
})

describe('the secret that is kept between starts', () => {
  test('is made once', () => {
    const path = join(folder, 'secret-key')
    const [secret] = keepSecret(path)
    expect(secret!.length).toBeGreaterThanOrEqual(32)
    expect(keepSecret(path)).toEqual([secret])
  })

  test('whose file is cut short seals nothing, and its file is left as it is', () => {
    const path = join(folder, 'secret-key')
    for (const text of ['', 'cut-short\n']) {
      writeFileSync(path, text)
      expect(() => keepSecret(path)).toThrow(`${path} holds no whole secret`)
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
  })
})
