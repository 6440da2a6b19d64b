import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { uuidv7 } from 'uuidv7'
import { findNewsroom, insertNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom, NewsroomId } from '../../shared/newsroom/newsroom.ts'
import { insertKey, liveSecrets, newestKeys } from '../../shared/newsroom/newsroom-key.sql.ts'
import type { NewsroomKeyId } from '../../shared/newsroom/newsroom-key.ts'
import {
  makeSecret,
  openSecrets,
  SecretNotOpened,
  sealingKeys,
  sealSecret,
} from '../../shared/newsroom/webhook-secret.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { addressHashKey } from '../../shared/subscriber/address-hash.ts'
import { addReaders } from '../../shared/subscription/add-readers.sql.ts'
import { LaunchError } from './launch-error.ts'

export type SampleNewsroom = { readonly slug: string; readonly webhookSecret: string }

type Deps = {
  readonly pool: Pool
  readonly secretKeys: readonly string[]
  readonly publicUrl: string
  readonly examples: string
}

const sampleReaders = {
  nb: ['kari@lesere.example', 'ola@lesere.example', 'sunniva@avisa.example'],
  en: ['amira@readers.example', 'jonas@wire.example'],
} as const

/** The newsroom of `examples/` with a few confirmed readers and a key: made at the first start, found at later ones. */
export async function keepSampleNewsroom(deps: Deps): Promise<SampleNewsroom> {
  try {
    return await keepSample(deps)
  } catch (error) {
    if (!(error instanceof SecretNotOpened)) throw error
    throw new LaunchError(
      'This database was made under another SECRET_KEY than the one given, which opens none of its keys. Put that one back, behind a new one and a comma if you like.',
      { cause: error },
    )
  }
}

async function keepSample(deps: Deps): Promise<SampleNewsroom> {
  const { pool, secretKeys } = deps
  const now = new Date()
  // Before anything is sealed and hashed under a SECRET_KEY that is not this database's.
  openSecrets(sealingKeys(secretKeys), await newestKeys(pool, 100), () => {})
  const text = readFileSync(join(deps.examples, 'newsroom.json'), 'utf8').replaceAll('{{publicUrl}}', deps.publicUrl)
  const draft = JSON.parse(text) as Omit<Newsroom, 'id'>
  await insertNewsroom(pool, { ...draft, id: uuidv7() as NewsroomId }, now)
  const newsroom = (await findNewsroom(pool, draft.slug))!
  for (const language of ['nb', 'en'] as const)
    await addReaders(
      { pool, hashKey: addressHashKey(secretKeys), now: () => now },
      { newsroom, language, source: 'Invented readers of the sample newsroom.' },
      sampleReaders[language],
    )
  return { slug: newsroom.slug, webhookSecret: await keepKey(deps, newsroom, now) }
}

async function keepKey({ pool, secretKeys }: Deps, newsroom: Newsroom, now: Date): Promise<string> {
  const keys = sealingKeys(secretKeys)
  const [live] = await liveSecrets(pool, keys, newsroom.id, now)
  if (live !== undefined) return live
  const secret = makeSecret()
  const id = uuidv7() as NewsroomKeyId
  await insertKey(pool, newsroom.id, { id, label: 'sample', sealed: sealSecret(keys, id, secret) }, now)
  return secret
}
