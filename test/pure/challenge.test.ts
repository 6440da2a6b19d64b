import { afterEach, expect, test, vi } from 'vitest'
import { makeChallenge, readProof } from '../../services/api/reader/challenge.ts'
import { linkKeys } from '../../shared/links/token.ts'
import { testSecrets } from '../given/secrets.ts'
import { solved } from '../rig/solve-challenge.ts'

const links = linkKeys(testSecrets)
const now = new Date()
const minutes = (count: number) => new Date(now.getTime() + count * 60_000)

afterEach(() => {
  vi.useRealTimers()
})

test.each([-600, 0, 600])(
  'a proof holds for twenty minutes of PostgreSQL’s, on a machine whose clock is %i minutes ahead',
  async (ahead) => {
    const proof = await solved(await makeChallenge(links, '7', now, 1))
    vi.useFakeTimers({ toFake: ['Date'], now: minutes(ahead) })
    expect(await readProof(links, '7', proof, minutes(19))).not.toBeNull()
    expect(await readProof(links, '7', proof, minutes(21))).toBeNull()
    expect(await readProof(links, '8', proof, now)).toBeNull()
  },
)
