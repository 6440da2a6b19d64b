import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readSettings } from '../../shared/config/read-settings.ts'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'
import { usageMistake } from './mistake.ts'
import { projectFolder } from './project-folder.ts'

/** What a running `npm start` leaves in its data folder, for this terminal to find it. */
export type Standalone = {
  readonly databaseUrl: string
  readonly secretKey: string
  readonly api: string
  readonly ops: string
  readonly inbox: string
  readonly sampleNewsroom: string
  readonly webhookSecret: string
}

/** What the commands work with. Nothing is opened or missed before a command asks for it. */
export type Surroundings = {
  /** As main.ts was given it, for processes a command starts. */
  readonly environment: Environment
  readonly dataDir: string
  /** The API's address, when the environment or a standalone tells it. */
  readonly api: string | null
  readonly webhookSecret: string | null
  readonly standalone: Standalone | null
  /** Whether a database is known at all. */
  readonly hasDatabase: boolean
  database(): Pool
  secretKeys(): readonly string[]
  close(): Promise<void>
}

type Environment = Readonly<Record<string, string | undefined>>

export function findSurroundings(env: Environment): Surroundings {
  // From the project's own folder, as `npm start` reckons it, wherever the command is typed.
  const dataDir = resolve(projectFolder, readSettings(env, ['DATA_DIR']).DATA_DIR)
  const standalone = readStandalone(dataDir)
  // All or nothing: the database of one installation with the key of another would seal what nobody can open.
  const chosen: Environment =
    !standalone || (env.DATABASE_URL && env.DATABASE_URL !== standalone.databaseUrl)
      ? env
      : { ...env, DATABASE_URL: standalone.databaseUrl, SECRET_KEY: standalone.secretKey }
  let pool: Pool | undefined
  return {
    environment: env,
    dataDir,
    api: env.PUBLIC_URL ? readSettings(env, ['PUBLIC_URL']).PUBLIC_URL : (standalone?.api ?? null),
    webhookSecret: env.PRESSEBUD_SECRET || null,
    standalone,
    hasDatabase: Boolean(chosen.DATABASE_URL),
    database() {
      if (!chosen.DATABASE_URL) throw missing('DATABASE_URL', dataDir)
      const url = readSettings(chosen, ['DATABASE_URL']).DATABASE_URL
      // Broken idle connections are of no interest here: the next statement tells.
      pool ??= openPool({ url, name: 'pressebud cli', most: 2, onError: () => {} })
      return pool
    },
    secretKeys() {
      if (!chosen.SECRET_KEY && chosen.DATABASE_URL)
        throw usageMistake(
          'SECRET_KEY is not set, and DATABASE_URL is.',
          'The two belong together: set both, or neither.',
        )
      if (!chosen.SECRET_KEY) throw missing('SECRET_KEY', dataDir)
      return readSettings(chosen, ['SECRET_KEY']).SECRET_KEY
    },
    close: async () => pool?.end(),
  }
}

const missing = (name: string, dataDir: string) =>
  usageMistake(
    `${name} is not set, and there is no ${join(dataDir, 'standalone.json')} to read it from.`,
    'Run `npm start` first, which leaves that file there, or set DATABASE_URL and SECRET_KEY.',
  )

function readStandalone(dataDir: string): Standalone | null {
  const path = join(dataDir, 'standalone.json')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw usageMistake(`${path} cannot be read.`, 'It belongs to whoever ran `npm start`; use the same account.')
  }
  try {
    return JSON.parse(text) as Standalone
  } catch {
    throw usageMistake(`${path} is not whole.`, 'Stop Pressebud and run `npm start` again.')
  }
}
