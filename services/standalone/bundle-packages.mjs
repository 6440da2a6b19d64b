// Puts the packages that our processes load into a few files below dist/node_modules, where Node.js looks before it looks
// into node_modules. A process then opens some dozen files in place of more than a thousand, and starts in half the
// time (docs/decisions/0027-packages-in-few-files.md).
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * What is loaded as it is installed: what finds files by where it lies itself, what is native, and what a process mostly
 * does without. What these load is theirs, so they may share no state with what is bundled.
 */
const asInstalled = [
  ...['node-pg-migrate', '@fastify/swagger-ui', '@fastify/static', '@bull-board/ui'],
  ...['msgpackr-extract', 'sodium-native', 'pg-native', 'pg-cloudflare'],
]

const nothing = 'an HTTP client nobody asks'

/** Bundles what the compiled files of `root` import, unless what lies there is of the same packages already. */
export async function bundlePackages(root, lock) {
  const dist = join(root, 'dist')
  const folder = join(dist, 'node_modules')
  const imports = importsOf(dist).filter((specifier) => !asInstalled.includes(packageOf(specifier)))
  const wanted = JSON.stringify([imports, readFileSync(import.meta.filename, 'utf8'), process.versions.modules, lock])
  const made = join(folder, '.made-of')
  if (existsSync(made) && readFileSync(made, 'utf8') === wanted) return
  rmSync(folder, { recursive: true, force: true })

  const input = {}
  const entries = new Map()
  for (const specifier of imports) {
    // The names Node.js finds in the package itself; a bundler sees others in a CommonJS one.
    const names = Object.keys(await import(specifier)).filter((name) => name !== 'module.exports')
    const id = `entry of ${specifier}`
    entries.set(id, `export { ${names.join(', ')} } from '${specifier}'`)
    input[fileOf(specifier)] = id
    const manifest = join(folder, packageOf(specifier), 'package.json')
    const { exports } = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : { exports: {} }
    exports[`.${specifier.slice(packageOf(specifier).length)}`] = `./${fileOf(specifier, '.')}.js`
    write(manifest, JSON.stringify({ type: 'module', exports }))
  }
  // Loaded here, because most starts find everything bundled.
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({
    input,
    cwd: root,
    platform: 'node',
    // The queue board looks for its pages by eval, where nobody tells it where they are.
    checks: { eval: false },
    external: asInstalled.map((name) => new RegExp(`^${name}(?:/|$)`)),
    plugins: [
      {
        name: 'entries',
        resolveId(id, from) {
          if (entries.has(id)) return id
          // As in shared/letter/no-http-client.mjs: what reads HTML for MJML could fetch it too, and is never asked to.
          if (id === 'undici' && /[\\/]cheerio[\\/]/.test(from)) return nothing
          return entries.has(from) ? this.resolve(id, join(root, 'package.json'), { skipSelf: true }) : null
        },
        load: (id) => (id === nothing ? 'module.exports = {}' : (entries.get(id) ?? null)),
      },
    ],
  })
  await bundle.write({ dir: folder, entryFileNames: '[name].js', chunkFileNames: '.shared/[name]-[hash].js' })
  await bundle.close()
  write(join(folder, '.shared', 'package.json'), '{"type":"module"}')
  write(made, wanted)
}

const packageOf = (specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)[0]

/** Where the bundle of an import lies: in a folder of its package's name. */
function fileOf(specifier, folder = packageOf(specifier)) {
  return join(folder, specifier.slice(packageOf(specifier).length + 1) || 'index')
}

/** Every package, or part of one, that the compiled files of the processes import by name. */
function importsOf(dist) {
  const found = new Set()
  for (const room of ['services', 'workers', 'shared'])
    for (const path of readdirSync(join(dist, room), { recursive: true })) {
      if (!/\.m?js$/.test(path)) continue
      const text = readFileSync(join(dist, room, path), 'utf8')
      for (const [, specifier] of text.matchAll(/^(?:import|export) (?:[^'"\n]* from )?'([^.'][^']*)';?$/gm))
        if (!specifier.startsWith('node:')) found.add(specifier)
    }
  return [...found].sort()
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
