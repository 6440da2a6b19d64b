import { HtmlValidate } from 'html-validate'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type } from './cli-rig.ts'

let database: TestDatabase
let newsroom: Newsroom
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  type(['newsroom', 'snippet', newsroom.slug, ...args], {
    env: { DATABASE_URL: database.url, PUBLIC_URL: 'https://press.example', ...env },
  })

beforeAll(async () => {
  database = await openTestDatabase()
  newsroom = await givenNewsroom(database.pool, {
    legalName: 'Havna & Co "Kai" <AS>',
    topics: [{ id: 'climate', names: { nb: 'Klima & <miljø>', en: 'Climate' } }],
  })
})
afterAll(() => database.close())

test('the snippet is a whole form and one script, in the language asked for, and valid where it is pasted', async () => {
  const { exit, out, err } = await run(['--language', 'en'])
  expect(exit).toBe(0)
  expect(out).toContain(`action="https://press.example/newsrooms/${newsroom.slug}/subscriptions?language=en"`)
  expect(out).toContain('<script src="https://press.example/assets/follow-box.js" async></script>')
  expect(out).toContain('Havna &amp; Co &quot;Kai&quot; &lt;AS&gt; uses your address')
  expect(out).not.toMatch(/ checked| style=/)
  expect(err).toContain('No web origin is listed')
  const report = await new HtmlValidate({ extends: ['html-validate:recommended'] }).validateString(out)
  expect(report.results.flatMap(({ messages }) => messages.map(({ message }) => message))).toEqual([])
})

test('what cannot be printed is told: an unknown language, newsroom or address', async () => {
  expect(await run(['--language', 'xx'])).toMatchObject({ exit: 2, out: '', err: expect.stringContaining('“xx”') })
  expect(await run([], { PUBLIC_URL: '' })).toMatchObject({
    exit: 2,
    out: '',
    err: expect.stringContaining('PUBLIC_URL'),
  })
  expect((await run(['--json'])).json()).toMatchObject({ allowedOrigins: [] })
})
