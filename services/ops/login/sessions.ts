import { randomUUID } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

declare module '@fastify/secure-session' {
  interface SessionData {
    operator: string
    seenAt: number
    /** What the last button did, for the next page to say once. */
    said: string
    /** The receiving domain it let run free. */
    freed: string
  }
}

export const idleHours = 12
const idleMs = idleHours * 3_600_000
/** The cookie is written again at most this often. */
const renewMs = 60_000

export type Sessions = {
  open(request: FastifyRequest): void
  /** `true`: an operator. `prolong` for what a person does; a page that asks for figures by itself keeps nobody in. */
  isOpen(request: FastifyRequest, prolong: boolean): boolean
  end(request: FastifyRequest): void
}

/**
 * A session is a sealed cookie with a number and the time it was last used. Sessions that were logged out are remembered
 * until they would have lapsed, so that a copied cookie dies with the logout.
 */
export function openSessions(now: () => Date): Sessions {
  const ended = new Map<string, number>()

  return {
    open(request) {
      request.session.regenerate()
      request.session.set('operator', randomUUID())
      request.session.set('seenAt', now().getTime())
    },
    isOpen(request, prolong) {
      const operator = request.session.get('operator')
      const seenAt = request.session.get('seenAt')
      if (typeof operator !== 'string' || typeof seenAt !== 'number' || ended.has(operator)) return false
      const idle = now().getTime() - seenAt
      if (idle >= idleMs) return false
      if (prolong && idle >= renewMs) request.session.set('seenAt', now().getTime())
      return true
    },
    end(request) {
      const time = now().getTime()
      for (const [operator, until] of ended) if (until <= time) ended.delete(operator)
      const operator = request.session.get('operator')
      if (typeof operator === 'string') ended.set(operator, time + idleMs)
      request.session.delete()
    },
  }
}

/** Who has pressed a button, for the log: a session's number, of which the cookie is the only other copy, and where it came from. */
export const whoActs = (request: FastifyRequest): { readonly operator: string | undefined; readonly from: string } => ({
  operator: request.session.get('operator'),
  from: request.ip,
})
