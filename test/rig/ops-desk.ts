import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { buildOpsApp, type OpsDeps } from '../../services/ops/app.ts'
import { openLog } from '../../shared/log/log.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

export const deskPassword = 'three in the morning'

export type Desk = {
  readonly app: FastifyInstance
  /** What the buttons asked for, in order; `refuse` makes them say no. */
  readonly acted: string[]
  readonly clock: { now: Date }
  refuse: boolean
  /** Logs in and gives the cookie to show. */
  login(): Promise<string>
}

export const here = { host: 'desk.example', origin: 'http://desk.example' } as const
export const asForm = { 'content-type': 'application/x-www-form-urlencoded' } as const

export async function openDesk(pool: Pool, more: Partial<OpsDeps> = {}): Promise<Desk> {
  const acted: string[] = []
  const clock = { now: new Date() }
  const act = (name: string) => async (id: string) => {
    if (desk.refuse) return false
    acted.push(`${name} ${id}`)
    return true
  }
  const app = await buildOpsApp({
    pool,
    now: () => clock.now,
    log: openLog('ops', 'silent'),
    password: deskPassword,
    sessionKey: randomBytes(32),
    secureCookies: false,
    boards: [],
    actions: {
      pause: async (id) => ((await act('pause')(id)) ? 'done' : 'over'),
      resume: async (id) => ((await act('resume')(id)) ? 'done' : 'over'),
      cancel: act('cancel'),
      tryAgain: act('tryAgain'),
      settle: async (id, as) => ((await act(`settle ${as}`)(id)) ? { letters: 1, left: 0 } : 'over'),
    },
    ...more,
  })
  const desk: Desk = {
    app,
    acted,
    clock,
    refuse: false,
    login: async () => {
      const answer = await app.inject({
        method: 'POST',
        url: '/login',
        headers: { ...here, ...asForm },
        payload: new URLSearchParams({ password: deskPassword }).toString(),
      })
      if (answer.statusCode !== 303) throw new Error(`login answered ${answer.statusCode}`)
      return cookieOf(answer)
    },
  }
  return desk
}

export const cookieOf = (answer: { cookies: readonly { name: string; value: string }[] }) =>
  answer.cookies.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join('; ')
