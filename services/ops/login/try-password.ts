import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { limitTries } from './tries.ts'

export type TryPassword = (
  who: { readonly address: string; readonly by: 'person' | 'program' },
  tried: string,
) => Promise<'right' | 'wrong' | { readonly waitSeconds: number }>

/** Wrong ones that are remembered: more than can be tried in a day. */
const mostRemembered = 4_000

/**
 * The one place a password is looked at. The operators' password is hashed anew at each start and kept so; a wrong one
 * takes as long as the right one, and only so many wrong ones are looked at. One that was wrong is not looked at again, and
 * is no further guess: a scraper that still has the last password would else keep the operators out.
 */
export async function passwordTries(deps: {
  readonly password: string
  readonly now: () => Date
}): Promise<TryPassword> {
  const salt = randomBytes(16)
  const known = await derive(deps.password, salt)
  const tries = limitTries(deps.now)
  const wrong = new Set<string>()

  return async ({ address, by }, tried) => {
    const mark = createHmac('sha256', salt).update(tried).digest('base64')
    if (wrong.has(mark)) return 'wrong'
    const waitSeconds = tries.begin(address)
    if (waitSeconds > 0) return { waitSeconds }
    if (!timingSafeEqual(known, await derive(tried, salt))) {
      if (wrong.size >= mostRemembered) wrong.clear()
      wrong.add(mark)
      return 'wrong'
    }
    if (by === 'person') tries.forgive(address)
    else tries.takeBack(address)
    return 'right'
  }
}

// Node's own choice, N = 2^14: 16 MB and about 50 ms a try. The hash is never stored; the limit on tries is what guards.
const derive = (password: string, salt: Buffer) =>
  new Promise<Buffer>((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, 32, (error, key) => (error ? reject(error) : resolve(key)))
  })
