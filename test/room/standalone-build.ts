import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/**
 * The standalone room as plain Node runs it, compiled into a folder inside the project, where its packages are found.
 * Types are another check's business.
 */
export function buildStandalone(): string {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const dist = mkdtempSync(join(root, '.cache', 'standalone-'))
  const tsconfig = join(dist, 'tsconfig.json')
  writeFileSync(
    tsconfig,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        rootDir: root,
        outDir: dist,
        noCheck: true,
        sourceMap: false,
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: [],
      files: [join(root, 'services/standalone/embedded-postgres.ts'), join(root, 'services/standalone/inbox/main.ts')],
    }),
  )
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', tsconfig], { stdio: 'inherit' })
  const assets = join('services', 'standalone', 'inbox')
  for (const name of readdirSync(join(root, assets))) {
    if (extname(name) !== '.ts') cpSync(join(root, assets, name), join(dist, assets, name), { recursive: true })
  }
  writeFileSync(join(dist, 'package.json'), '{"type":"module"}')
  return dist
}
