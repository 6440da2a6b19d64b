import { channel } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { Check } from 'typebox/value'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Problem } from '../../services/api/refusal-replies.ts'
import { openTestApi, type TestApi } from '../rig/api.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'

type Operation = { responses: Record<string, { content?: Record<string, unknown> }> }
type Description = { openapi: string; paths: Record<string, Record<string, Operation>> }

let database: TestDatabase
let api: TestApi
let description: Description
const served: { method: string; url: string }[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  const watchRoutes = (message: unknown) =>
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
      for (const name of [method].flat()) served.push({ method: name, url })
    })
  const beginnings = channel('fastify.initialization')
  beginnings.subscribe(watchRoutes)
  api = await openTestApi(database.pool, { filesDir: join(import.meta.dirname, '../../examples') })
  beginnings.unsubscribe(watchRoutes)
  description = (await api.app.inject('/openapi.json')).json()
})
afterAll(async () => {
  await api.app.close()
  await database.close()
})

/** Served, and not part of what programs may build on: the description itself, its pages, and files as they lie. */
const hiddenOnPurpose = [
  '/docs',
  '/docs/json',
  '/docs/static/*',
  '/docs/static/index.html',
  '/docs/static/swagger-initializer.js',
  '/docs/yaml',
  '/files/*',
  '/openapi.json',
]

const operations = () =>
  Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )

test('the description of the API is valid OpenAPI 3.1', async () => {
  expect(description.openapi).toBe('3.1.0')
  expect(await new Validator().validate(description as never)).toEqual({ valid: true })
})

test('every door is described, and nothing is described that is no door', () => {
  const doors = served
    .filter(({ method, url }) => method !== 'HEAD' && method !== 'OPTIONS' && !hiddenOnPurpose.includes(url))
    .map(({ method, url }) => `${method} ${url.replace(/:([A-Za-z]+)/g, '{$1}')}`)
  expect(doors.length).toBeGreaterThan(10)
  expect(
    operations()
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  ).toEqual(doors.sort())
  expect(hiddenOnPurpose.filter((url) => !served.some((route) => route.url === url))).toEqual([])
})

test('every refusal that is described is problem+json', () => {
  for (const { method, path, operation } of operations()) {
    expect(Object.keys(operation.responses), `${method} ${path}`).toContain('default')
    for (const [status, { content }] of Object.entries(operation.responses))
      if (status === 'default' || Number(status) >= 400)
        expect(Object.keys(content ?? {}), `${method} ${path} ${status}`).toContain('application/problem+json')
  }
})

const field = (more: string) => `Content-Disposition: form-data; name="email"${more}\r\n\r\n`
const bodies = [
  ['nothing', {}, ''],
  ['broken JSON', { 'content-type': 'application/json' }, '{"email"'],
  ['a list', { 'content-type': 'application/json' }, '[]'],
  ['plain text', { 'content-type': 'text/plain' }, 'hello'],
  ['an unheard-of type', { 'content-type': 'x' }, 'hello'],
  ['a form cut off', { 'content-type': 'multipart/form-data; boundary=pb' }, '--pb\r\nnothing'],
  ['a field cut off', { 'content-type': 'multipart/form-data; boundary=pb' }, `--pb\r\n${field('')}half a fi`],
  ['a form without its boundary', { 'content-type': 'multipart/form-data' }, '--pb--\r\n'],
  [
    'a file',
    { 'content-type': 'multipart/form-data; boundary=pb' },
    `--pb\r\n${field('; filename="a"')}a\r\n--pb--\r\n`,
  ],
  [
    'a field of broken JSON',
    { 'content-type': 'multipart/form-data; boundary=pb' },
    `--pb\r\nContent-Type: application/json\r\n${field('')}{\r\n--pb--\r\n`,
  ],
  ['two megabytes', { 'content-type': 'application/json' }, `"${'x'.repeat(2_000_000)}"`],
] as const

test('whatever a program sends to whatever door, a refusal is a problem that names its status', async () => {
  const unlike: string[] = []
  let refusals = 0
  const ask = async (method: string, url: string, headers: Record<string, string>, payload: string, what: string) => {
    const answer = await api.app.inject({ method: method as 'GET', url, headers, ...(payload ? { payload } : {}) })
    if (answer.statusCode < 400) return
    refusals += 1
    const isProblem = String(answer.headers['content-type']).startsWith('application/problem+json')
    const problem: unknown = isProblem && method !== 'HEAD' ? answer.json() : null
    const isTrue = Check(Problem, problem) && problem.status === answer.statusCode && answer.statusCode < 500
    if (!isTrue) unlike.push(`${method} ${url} with ${what}: ${answer.statusCode} ${answer.headers['content-type']}`)
  }
  const urls = [
    ...new Set(served.map(({ url }) => url.replace(/:[A-Za-z]+|\*/g, 'nonsense'))),
    '/nowhere',
    '/%zz',
    '/a//b',
  ]
  for (const url of urls) {
    for (const method of ['GET', 'DELETE', 'PUT', 'PATCH']) await ask(method, url, {}, '', 'nothing')
    for (const [what, headers, payload] of bodies) await ask('POST', url, headers, payload, what)
  }
  expect(unlike).toEqual([])
  expect(refusals).toBeGreaterThan(urls.length * 5)
})

test('a path that leads nowhere is told to a browser in a page, to a program as a problem', async () => {
  for (const url of ['/nowhere', '/newsrooms', '/files/nowhere.png', '/unsubscribe/a/b']) {
    const page = await api.app.inject({ url, headers: { accept: 'text/html', 'accept-language': 'nb' } })
    expect([page.statusCode, page.headers['content-type']]).toEqual([404, 'text/html; charset=utf-8'])
    expect(page.body).toContain('<html lang="nb"')
    expect(page.headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
    const program = await api.app.inject({ url })
    expect([program.statusCode, program.json().type]).toEqual([404, 'urn:pressebud:refusal:not-found'])
  }
})

test('the pages of the description are served whole, under a policy that lets in nothing foreign', async () => {
  const page = await api.app.inject('/docs/')
  expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'self'/)
  const parts = [...page.body.matchAll(/(?:src|href)="([^"#]+)"/g)].map(
    ([, to]) => new URL(to!, 'http://x/docs/').pathname,
  )
  expect(parts.length).toBeGreaterThan(3)
  for (const part of parts) expect([part, (await api.app.inject(part)).statusCode]).toEqual([part, 200])
})
