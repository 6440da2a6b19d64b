import { describe, expect, test } from 'vitest'
import { isOwn, packageOf, readSources, type Source } from './sources.ts'

const sources = readSources('services', 'workers', 'shared')
const byPath = new Map(sources.map((source) => [source.path, source]))

/** `path imports other` for every import for which `isWrong`. */
const wrongImports = (isWrong: (source: Source, from: string) => boolean) =>
  sources.flatMap((source) =>
    source.imports.filter(({ from }) => isWrong(source, from)).map(({ from }) => `${source.path} imports ${from}`),
  )

/** The room a file is in, as deep as doors and stages go: `services/api/reader`, `workers/mailer`, `shared/letter`. */
function roomOf(path: string): string {
  const [floor, first, second] = path.split('/')
  if (floor === 'services' && first === 'api' && (second === 'reader' || second === 'publisher'))
    return `${floor}/${first}/${second}`
  return `${floor}/${first}`
}

describe('imports', () => {
  test('are really read', () => {
    expect(sources.length).toBeGreaterThan(100)
    expect(byPath.get('workers/main.ts')?.imports.map(({ from }) => from)).toContain('shared/links/token.ts')
    expect(byPath.get('shared/letter/mjml-process.mjs')?.imports.map(({ from }) => from)).toContain('mjml')
  })

  test('lead to files there are', () => {
    expect(wrongImports((_source, from) => isOwn(from) && !byPath.has(from))).toEqual([])
  })

  test('of shared never point up', () => {
    expect(wrongImports(({ path }, from) => path.startsWith('shared/') && /^(services|workers)\//.test(from))).toEqual(
      [],
    )
  })

  test('never cross between services and workers', () => {
    const floor = (path: string) => path.split('/')[0]
    expect(
      wrongImports(({ path }, from) => isOwn(from) && !from.startsWith('shared/') && floor(path) !== floor(from)),
    ).toEqual([])
  })

  test('never cross between services, visitors or stages; only a composition root, or the app it builds, sees several', () => {
    const seesSeveral = new Set([
      'services/api/app.ts',
      'services/api/api-docs.ts',
      'workers/main.ts',
      'services/api/main.ts',
    ])
    const crosses = (source: Source, from: string) => {
      if (!isOwn(from) || from.startsWith('shared/') || seesSeveral.has(source.path)) return false
      const [here, there] = [roomOf(source.path), roomOf(from)]
      // A visitor's room may use what its own service keeps for all visitors.
      return here !== there && !here.startsWith(`${there}/`)
    }
    expect(wrongImports(crosses)).toEqual([])
  })

  test('form no cycle', () => {
    const state = new Map<string, 'open' | 'closed'>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'closed') return
      if (state.get(path) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
        return
      }
      state.set(path, 'open')
      for (const { from, isType } of byPath.get(path)?.imports ?? [])
        if (isOwn(from) && !isType) visit(from, [...trail, path])
      state.set(path, 'closed')
    }
    for (const { path } of sources) visit(path, [])
    expect(cycles).toEqual([])
  })

  test('bring each package into one room', () => {
    const rooms: Record<string, RegExp> = {
      pg: /^shared\/postgres\//,
      'node-pg-migrate': /^shared\/postgres\//,
      bullmq: /^shared\/queues\//,
      ioredis: /^shared\/queues\//,
      // In any other file it would be loaded into the workers: see docs/decisions/0025.
      mjml: /^shared\/letter\/mjml-process\.mjs$/,
      'sanitize-html': /^shared\/letter\//,
      'html-to-text': /^shared\/letter\//,
      pino: /^shared\/log\//,
      'intl-messageformat': /^shared\/language\//,
      fastify: /^services\//,
      eta: /^(services|shared\/letter)\//,
      commander: /^services\/cli\//,
      'smtp-server': /^services\//,
      'prom-client': /^services\/ops\//,
    }
    const strays = sources.flatMap((source) =>
      source.imports
        .filter(({ from }) => {
          const name = packageOf(from)
          if (name === null) return false
          const room =
            rooms[name] ?? (name.startsWith('@fastify/') || name.startsWith('@bull-board/') ? /^services\// : null)
          return room !== null && !room.test(source.path)
        })
        .map(({ from }) => `${source.path} imports ${from}`),
    )
    expect(strays).toEqual([])
  })

  test('of pure files bring neither effects nor the clock', () => {
    const machines = /^shared\/(postgres|queues|letter|transport|links|config|log|lifecycle|language)\//
    const pure = sources.filter(
      ({ path }) => path.startsWith('shared/') && !path.endsWith('.sql.ts') && !machines.test(path),
    )
    expect(pure.length).toBeGreaterThan(10)
    const effects = /^(pg|bullmq|ioredis|fastify|node:(fs|net|http|https|child_process|tls|dns)(\/.*)?)$/
    for (const { path, imports, text } of pure) {
      expect(
        imports.filter(({ from }) => effects.test(from)),
        path,
      ).toEqual([])
      expect(
        imports.filter(({ from, isType }) => from.endsWith('.sql.ts') && !isType),
        path,
      ).toEqual([])
      expect(text, path).not.toMatch(/new Date\(\)|Date\.now\(\)|performance\.now\(\)/)
    }
  })
})

// A link or a picture of a release may name the machine next to us, or where a cloud hands out its keys (SSRF): it is
// passed on to whoever reads, and never followed. A command asks the installation that its operator names; what a browser
// runs is no source here.
test('nothing but the command line opens an HTTP connection, so no address that a publisher or visitor sends is fetched by us', () => {
  const clients = /^(node:)?(https?|http2)$|^(undici|axios|got|ky|needle|node-fetch|superagent)(\/|$)/
  const asks = /(?<![-\w])fetch\s*[(,)}]|=\s*fetch\b|\b(import|require)\(\s*['"]((node:)?(https?|http2)|undici)['"]/
  const opens = ({ text, imports }: Source) =>
    asks.test(text) || imports.some(({ from, isType }) => !isType && clients.test(from))
  const isCommand = ({ path }: Source) => path.startsWith('services/cli/')
  expect(sources.filter((source) => opens(source) && !isCommand(source)).map(({ path }) => path)).toEqual([])
  // The commands do: what the rule looks for is really found.
  expect(sources.filter(isCommand).some(opens)).toBe(true)
})

test('only a composition root reads the environment', () => {
  // The script before every npm script runs by itself, and hands npm what it was given.
  const roots = /\/main\.ts$|^services\/standalone\/prepare\.mjs$/
  const readers = sources.filter(({ path, text }) => /process\.env\b/.test(text) && !roots.test(path))
  expect(readers.map(({ path }) => path)).toEqual([])
})

test('nothing is kept in a drawer, exported by default or typed any', () => {
  expect(
    sources.filter(({ path }) => /\b(utils?|helpers?|common|manager|misc)\b/.test(path)).map(({ path }) => path),
  ).toEqual([])
  expect(sources.filter(({ text }) => /^export default/m.test(text)).map(({ path }) => path)).toEqual([])
})

test('files stay within one screenful of ideas', () => {
  const long = sources
    .filter(({ text }) => text.split('\n').length > 260)
    .map(({ path, text }) => `${path}: ${text.split('\n').length} lines`)
  expect(long).toEqual([])
})

test('no address is asked of URL.canParse, which Node.js 20 answers wrongly beyond ASCII: parseUrl is there instead', () => {
  expect(sources.filter(({ text }) => /\bURL\.canParse\(/.test(text)).map(({ path }) => path)).toEqual([])
})
