import type { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import type { Settled, Settlement } from '../../shared/delivery/settle-doubt.sql.ts'
import type { Log } from '../../shared/log/log.ts'
import type { Pausing } from '../../shared/mailing/mailing.ts'
import type { Pool } from '../../shared/postgres/pool.ts'

/** A queue as the board shows it. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0]

/** What an operator can do to a mailing; `false`: it is unknown, or the act is no longer possible. */
export type MailingActions = {
  pause(id: string): Promise<Pausing>
  resume(id: string): Promise<Pausing>
  cancel(id: string): Promise<boolean>
  /** Sets one going whose letters could not be prepared. */
  tryAgain(id: string): Promise<boolean>
  /** What becomes of letters held in doubt. */
  settle(id: string, as: Settlement): Promise<Settled | 'unknown' | 'over'>
}

export type OpsDeps = {
  readonly pool: Pool
  readonly now: () => Date
  readonly log: Log
  /** The operators' one password. */
  readonly password: string
  /** 32 bytes; seals the session cookie. */
  readonly sessionKey: Buffer
  /** Whether visitors come over https. */
  readonly secureCookies: boolean
  readonly boards: readonly BoardQueue[]
  readonly actions: MailingActions
}
