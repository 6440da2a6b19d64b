// Runs before every npm script, on plain Node without a single dependency: installs what the lock names when it has
// changed, and compiles when a source is newer than what was compiled. So a fresh clone needs one command, and the
// next start costs a fraction of a second.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Pressebud needs Node.js 20.19 or newer; this is ${process.version}.`)
  process.exit(1)
}

const ofTheBuild = ['prepare.mjs', 'bundle-packages.mjs'].map((name) => join(root, 'services', 'standalone', name))
const sources = ['services', 'workers', 'shared', 'test']
const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
const installed = join(root, 'node_modules', '.pressebud-lock')
if (!existsSync(installed) || readFileSync(installed, 'utf8') !== lock) {
  console.error('Installing what package-lock.json names …')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(installed, lock)
}

const built = join(root, 'dist', '.built')
const stamp = JSON.stringify(newest())
if (!existsSync(built) || readFileSync(built, 'utf8') !== stamp) {
  console.error('Compiling …')
  clear(join(root, 'dist'))
  run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    join(root, 'tsconfig.build.json'),
  ])
  copyAssets()
  const { bundlePackages } = await import('./bundle-packages.mjs')
  await bundlePackages(root, lock)
  writeFileSync(built, stamp)
}

function run(command, args) {
  // npm's own variables would make the inner npm believe it is the outer one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')))
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (error) console.error(error.message)
  if (status !== 0) process.exit(status ?? 1)
}

/** The packages that were bundled last may be the same again. */
function clear(folder) {
  for (const entry of existsSync(folder) ? readdirSync(folder) : [])
    if (entry !== 'node_modules') rmSync(join(folder, entry), { recursive: true, force: true })
}

/** How many sources there are, and the newest of them: changes with every edit, addition and removal. And the packages. */
function newest() {
  let count = 0
  let latest = 0
  const orders = ['tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name))
  for (const path of [...walk(), ...orders]) {
    count += 1
    latest = Math.max(latest, statSync(path).mtimeMs)
  }
  return { count, latest, node: process.versions.modules, lock: createHash('sha256').update(lock).digest('hex') }
}

/** Templates, catalogues, styles, migrations and plain JavaScript lie beside the code that uses them, also in dist. */
function copyAssets() {
  for (const path of walk()) {
    if (path.endsWith('.ts') || ofTheBuild.includes(path) || path.startsWith(join(root, 'test'))) continue
    const target = join(root, 'dist', path.slice(root.length))
    mkdirSync(dirname(target), { recursive: true })
    cpSync(path, target)
  }
}

function* walk(folder) {
  if (!folder) {
    for (const source of sources) yield* walk(join(root, source))
    return
  }
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* walk(path)
    else yield path
  }
}
