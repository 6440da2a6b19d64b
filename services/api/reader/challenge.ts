import { type Challenge, createChallenge, type Payload, randomInt, verifySolution } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import type { LinkKeys } from '../../../shared/links/token.ts'

export type { Challenge }

/** How long a challenge may be answered: as long as a slow reader needs for the form. */
const lifetime = 20 * 60
/** Seconds by which a machine's clock may be wrong. */
const slack = 366 * 86_400

/**
 * A proof of work: some seconds of a phone, a fraction of one on a desk, and nothing to look at, type or solve by
 * hand. Made and verified here with the ALTCHA library; making one costs us a third of a millisecond, checking one less.
 */
export async function makeChallenge(
  links: LinkKeys,
  newsroomId: string,
  now: Date,
  // Between these, so that nobody waits long by bad luck.
  tries = randomInt(1_500, 3_000),
): Promise<Challenge> {
  const [signing, keySigning] = secretsOf(links.byPurpose.challenge[0]!.key)
  return createChallenge({
    algorithm: 'PBKDF2/SHA-256',
    cost: 1_000,
    counter: tries,
    deriveKey,
    // The library holds it against this machine's own clock, which may be wrong; what counts is ours, by PostgreSQL's.
    expiresAt: Math.floor(now.getTime() / 1000) + slack,
    data: { newsroom: newsroomId, until: Math.floor(now.getTime() / 1000) + lifetime },
    hmacSignatureSecret: signing,
    hmacKeySignatureSecret: keySigning,
  })
}

/** What names a proof that holds here and now; null: it is none of ours, of another newsroom, wrong or too old. */
export async function readProof(links: LinkKeys, newsroomId: string, text: string, now: Date): Promise<string | null> {
  const payload = parse(text)
  if (payload === null) return null
  const { parameters, signature } = payload.challenge
  if (parameters.data?.newsroom !== newsroomId || signature === undefined) return null
  const { until } = parameters.data
  if (typeof until !== 'number' || until * 1000 <= now.getTime()) return null
  for (const { key } of links.byPurpose.challenge) {
    const [signing, keySigning] = secretsOf(key)
    try {
      const { verified } = await verifySolution({
        challenge: payload.challenge,
        solution: payload.solution,
        deriveKey,
        hmacSignatureSecret: signing,
        hmacKeySignatureSecret: keySigning,
      })
      if (verified) return signature
    } catch {
      // The library throws at some shapes that are no solution; that is a wrong answer, not a fault of ours.
      return null
    }
  }
  return null
}

// Two secrets for two signatures: one under the challenge, one under its answer.
const secretsOf = (key: Buffer): [string, string] => [
  `${key.toString('hex')}:challenge`,
  `${key.toString('hex')}:answer`,
]

/** The longest a proof of ours gets is some 900 characters. */
const longest = 4_000

function parse(text: string): Payload | null {
  if (text.length > longest || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  try {
    const payload: unknown = JSON.parse(Buffer.from(text, 'base64').toString('utf8'))
    return isPayload(payload) ? payload : null
  } catch {
    return null
  }
}

function isPayload(value: unknown): value is Payload {
  const { challenge, solution } = (value ?? {}) as { challenge?: unknown; solution?: unknown }
  const { parameters, signature } = (challenge ?? {}) as { parameters?: unknown; signature?: unknown }
  const isObject = (one: unknown) => typeof one === 'object' && one !== null && !Array.isArray(one)
  return isObject(parameters) && isObject(solution) && typeof signature === 'string'
}
