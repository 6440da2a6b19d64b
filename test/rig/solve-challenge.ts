import { type Challenge, solveChallenge } from 'altcha-lib'
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2'
import { makeChallenge } from '../../services/api/reader/challenge.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { ReaderHouse } from './reader-house.ts'

/** The answer to a challenge as a program sends it: found by trying, like a browser's. */
export async function solved(challenge: Challenge): Promise<string> {
  const solution = await solveChallenge({ challenge, deriveKey })
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64')
}

/** A proof the door takes like any other, of a challenge that was made easy: for tests of what comes after it. */
export const provenAtOnce = async ({ deps }: ReaderHouse, newsroom: Newsroom): Promise<string> =>
  solved(await makeChallenge(deps.links, newsroom.id, deps.now(), 1))
