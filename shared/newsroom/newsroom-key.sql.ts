import type { Db } from '../postgres/pool.ts'
import type { NewsroomId } from './newsroom.ts'
import type { NewsroomKey, NewsroomKeyId, SealedKey } from './newsroom-key.ts'
import { openSecrets, type SealingKeys } from './webhook-secret.ts'

export async function insertKey(
  db: Db,
  newsroom: NewsroomId,
  key: { readonly id: NewsroomKeyId; readonly label: string; readonly sealed: Buffer },
  now: Date,
): Promise<void> {
  await db.query(
    `insert into newsroom_keys (id, newsroom_id, label, sealed, created_at)
     values ($1, $2, $3, $4, $5)`,
    [key.id, newsroom, key.label, key.sealed, now],
  )
}

/** All keys a newsroom ever had, newest first; without their secrets. */
export async function listKeys(db: Db, newsroom: NewsroomId): Promise<NewsroomKey[]> {
  const { rows } = await db.query<NewsroomKey>(
    `select id, label, created_at as "createdAt", ended_at as "endedAt"
       from newsroom_keys
      where newsroom_id = $1
      order by created_at desc, id desc`,
    [newsroom],
  )
  return rows
}

/** The keys that sign now, newest first, still sealed. */
export async function liveKeys(db: Db, newsroom: NewsroomId, now: Date): Promise<SealedKey[]> {
  const { rows } = await db.query<SealedKey>(
    `select id, label, created_at as "createdAt", ended_at as "endedAt", sealed
       from newsroom_keys
      where newsroom_id = $1 and (ended_at is null or ended_at > $2)
      order by created_at desc, id desc`,
    [newsroom, now],
  )
  return rows
}

/** The newest keys of all newsrooms, ended ones too, still sealed: by them it shows whether SECRET_KEY is the one it was. */
export async function newestKeys(db: Db, most: number): Promise<SealedKey[]> {
  const { rows } = await db.query<SealedKey>(
    `select id, label, created_at as "createdAt", ended_at as "endedAt", sealed
       from newsroom_keys
      order by created_at desc, id desc
      limit $1`,
    [most],
  )
  return rows
}

/** The keys that sign now for each of these newsrooms, newest first, still sealed; one that does not exist is not in it. */
export async function liveKeysBySlug(db: Db, slugs: readonly string[], now: Date): Promise<Map<string, SealedKey[]>> {
  const { rows } = await db.query<{ slug: string } & { [Part in keyof SealedKey]: SealedKey[Part] | null }>({
    name: 'live-keys',
    text: `select n.slug, k.id, k.label, k.created_at as "createdAt", k.ended_at as "endedAt", k.sealed
       from newsrooms n
       left join newsroom_keys k on k.newsroom_id = n.id and (k.ended_at is null or k.ended_at > $2)
      where n.slug = any($1)
      order by k.created_at desc, k.id desc`,
    values: [slugs, now],
  })
  const found = new Map<string, SealedKey[]>()
  for (const { slug, ...key } of rows) {
    const keys = found.get(slug) ?? []
    found.set(slug, keys)
    if (key.id !== null) keys.push(key as SealedKey)
  }
  return found
}

/** The secrets a signature of this newsroom may be made with now, newest first; those that do not open are passed over. */
export async function liveSecrets(db: Db, keys: SealingKeys, newsroom: NewsroomId, now: Date): Promise<string[]> {
  return openSecrets(keys, await liveKeys(db, newsroom, now), () => {})
}

/**
 * Ends a key at an instant, now or ahead; `null` when there is no such key or it has ended already, since an ended key
 * never signs again. Ending it anew before its hour moves the hour.
 */
export async function endKey(db: Db, id: NewsroomKeyId, at: Date, now: Date): Promise<NewsroomKey | null> {
  const { rows } = await db.query<NewsroomKey>(
    `update newsroom_keys
        set ended_at = $2
      where id = $1 and (ended_at is null or ended_at > $3)
      returning id, label, created_at as "createdAt", ended_at as "endedAt"`,
    [id, at, now],
  )
  return rows[0] ?? null
}
