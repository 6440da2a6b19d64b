import type { Log } from '../../../shared/log/log.ts'
import type { LetterStore } from './letter-store.ts'
import type { RefusalRules } from './refusal-rules.ts'

export type InboxDeps = {
  readonly store: LetterStore
  readonly rules: RefusalRules
  readonly log: Log
  /** Shown to people who ask where to send mail. */
  readonly smtpPort: number
  /** Where the newsroom pages are, when that is known. */
  readonly publicUrl: string | null
}
