import { readFile } from 'node:fs/promises'
import { usageMistake } from './mistake.ts'

/** The part of a release webhook the terminal speaks about; the API judges the rest. */
export type ReleaseBody = {
  readonly text: string
  readonly externalId: string | null
  readonly titles: readonly string[]
  readonly publishedAt: string | null
  readonly zone: string | null
}

/** Where a file says `{{publicUrl}}`, the API's own address is written: how the examples point at their pictures. */
const placeholder = '{{publicUrl}}'

export async function readRelease(path: string, input: NodeJS.ReadableStream, api: string): Promise<ReleaseBody> {
  const bytes = path === '-' ? await readAll(input) : await readNamed(path)
  let text: string
  try {
    // Signed and sent as text, so whatever is not UTF-8 would arrive as something else than what was signed.
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw usageMistake(`${nameOf(path)} is not UTF-8 text.`)
  }
  return releaseBody(text.replaceAll(placeholder, api), nameOf(path))
}

export function releaseBody(text: string, name: string): ReleaseBody {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw usageMistake(`${name} is not JSON: ${(error as Error).message}.`)
  }
  const data = field(value, 'data')
  const languages = Object.values(field(data, 'languages') ?? {})
  return {
    text,
    externalId: textIn(data, 'externalId'),
    titles: languages.map((one) => textIn(one, 'title')).filter((title) => title !== null),
    publishedAt: textIn(data, 'publishedAt'),
    zone: textIn(data, 'zone'),
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

const textIn = (value: unknown, name: string): string | null => {
  const text = field(value, name)
  return typeof text === 'string' ? text : null
}

const nameOf = (path: string) => (path === '-' ? 'What came in' : path)

async function readNamed(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const why: Record<string, string> = {
      ENOENT: `There is no file ${path}.`,
      EISDIR: `${path} is a folder.`,
      EACCES: `${path} may not be read by this account.`,
    }
    throw usageMistake(why[(error as NodeJS.ErrnoException).code ?? ''] ?? `${path} cannot be read.`)
  }
}

async function readAll(input: NodeJS.ReadableStream): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of input) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}
