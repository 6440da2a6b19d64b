import type { LinkKeys } from '../../../shared/links/token.ts'
import type { Log } from '../../../shared/log/log.ts'
import type { NoticeId } from '../../../shared/notice/notice.ts'
import type { Pool } from '../../../shared/postgres/pool.ts'
import type { SubscriptionId } from '../../../shared/subscription/subscription.ts'

/** What the reader's doors need from the process that opens them. */
export type ReaderDeps = {
  readonly pool: Pool
  readonly now: () => Date
  readonly log: Log
  readonly links: LinkKeys
  readonly addressHashKey: Buffer
  /** Without a slash at its end. */
  readonly publicUrl: string
  /** From one network. */
  readonly signUpsPerHour: number
  /** In an hour too: for one newsroom, and altogether. */
  readonly signUpCeilings: { readonly newsroom: number; readonly installation: number }
  /** A hint to the mailer; fails quietly. */
  readonly wakeNotice: (id: NoticeId) => void
  /** Returns when no worker may still start a letter to that reader, or a notice about that subscription. */
  readonly afterOptOut: (subscriptionId: SubscriptionId) => Promise<void>
}
