import { linkKeys, sealToken } from '../../shared/links/token.ts'
import { testSecrets } from '../given/secrets.ts'
import { releaseBody, signedHeaders } from '../given/webhook.ts'
import type { Installation } from '../rig/installation.ts'
import { p99 } from './p99.ts'

/** What people at the doors wait while bulk mail leaves on the same cores: the 99th percentile and the longest, in milliseconds. */
export type DoorWaits = {
  readonly signUpP99Ms: number
  readonly unsubscribeP99Ms: number
  readonly webhookP99Ms: number
  readonly longestAtDoorMs: number
}

export type Knocking = { stop(): Promise<DoorWaits> }

/** Each door is knocked at so often, in milliseconds. */
const every = 40

/**
 * Knocks at the three doors until stopped: new readers sign up, readers of the mailing under way leave with one click, and
 * a publisher's releases for a day far ahead are accepted. Nobody waits until those before are served, and each wait is
 * counted from when its knock was due: a stall counts for all it held up.
 */
export function knockAtDoors(installation: Installation, readers: number): Knocking {
  const { api, newsroom } = installation
  const keys = linkKeys(testSecrets)
  const waits = { signUp: [] as number[], unsubscribe: [] as number[], webhook: [] as number[] }
  let stopped = false
  let turn = 0

  const knocks = {
    signUp: (n: number) =>
      fetch(`${api}/newsrooms/${newsroom.slug}/subscriptions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ email: `new${n}@newcomers.example`, language: 'nb' }),
      }),
    unsubscribe: (n: number) => {
      // Spread over the whole audience, so that some are in the hands of a worker at this moment.
      const reader = BigInt(1 + ((n * 7_919) % readers))
      return fetch(`${api}/unsubscribe/${sealToken(keys, 'unsubscribe', [reader, 0n, 0n])}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'List-Unsubscribe=One-Click',
      })
    },
    webhook: (n: number) => {
      const body = JSON.stringify(releaseBody({ externalId: `ahead-${n}`, publishedAt: '2099-01-01T10:00:00+01:00' }))
      return fetch(`${api}/webhooks/newsrooms/${newsroom.slug}/releases`, {
        method: 'POST',
        headers: signedHeaders(newsroom.secret, `bench-ahead-${n}`, body),
        body,
      })
    },
  }

  const loops = (Object.keys(knocks) as (keyof typeof knocks)[]).map(async (door) => {
    const knocking: Promise<void>[] = []
    for (let due = performance.now(); !stopped; due += every) {
      await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
      knocking.push(knock(door, ++turn, due))
    }
    await Promise.all(knocking)
  })

  async function knock(door: keyof typeof knocks, n: number, due: number): Promise<void> {
    const response = await knocks[door](n)
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`${door} was answered ${response.status}`)
    waits[door].push(performance.now() - due)
  }
  return {
    stop: async () => {
      stopped = true
      await Promise.all(loops)
      return {
        signUpP99Ms: p99(waits.signUp),
        unsubscribeP99Ms: p99(waits.unsubscribe),
        webhookP99Ms: p99(waits.webhook),
        longestAtDoorMs: Math.round(Math.max(...Object.values(waits).flat())),
      }
    },
  }
}
