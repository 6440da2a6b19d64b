import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

export const root = join(import.meta.dirname, '../..')

export type Import = { readonly from: string; readonly isType: boolean }
export type Source = { readonly path: string; readonly text: string; readonly imports: readonly Import[] }

/** Every source of these folders, TypeScript or plain, with what it imports; own files as paths from the root. */
export function readSources(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
      .map((entry) => {
        const full = join(entry.parentPath, entry.name)
        const text = readFileSync(full, 'utf8')
        return { path: relative(root, full), text, imports: importsOf(full, text) }
      }),
  )
}

function importsOf(file: string, text: string): Import[] {
  const found = text.matchAll(
    /^\s*(?:import|export)\s+(type\s)?[^'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]/gm,
  )
  return [...found].map(([, isType, named, bare]) => {
    const from = named ?? bare ?? ''
    return {
      from: from.startsWith('.') ? relative(root, join(dirname(file), from)) : from,
      isType: isType !== undefined,
    }
  })
}

/** The package of an import, `@scope/name` or `name`; null for our own files and for Node's. */
export const packageOf = (from: string) =>
  from.includes('/') && !from.startsWith('@') && from.endsWith('.ts')
    ? null
    : from.startsWith('node:')
      ? null
      : from
          .split('/')
          .slice(0, from.startsWith('@') ? 2 : 1)
          .join('/')

export const isOwn = (from: string) => from.endsWith('.ts')
