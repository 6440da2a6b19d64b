import type { RefusalCode } from '../../../shared/refusal/refusal.ts'

export type RefusalWords = { readonly title: string; readonly text: string; readonly next: string | null }

/** What a refusal says to an operator: what happened, what was changed, what to do. */
export const refusalWords: Partial<Record<RefusalCode, RefusalWords>> = {
  NOT_FOUND: {
    title: 'There is nothing at this address',
    text: 'The link may be cut short, or the page may have moved.',
    next: 'Start from the list of mailings.',
  },
  MAILING_UNKNOWN: {
    title: 'There is no such mailing',
    text: 'No mailing has this number. Mailings are never deleted, so the number was probably mistyped.',
    next: 'Find it in the list of mailings.',
  },
  ORIGIN_FOREIGN: {
    title: 'Refused: the request came from another site',
    text: 'A button was pressed that does not stand on this desk, or the browser did not say where it stood. Nothing was changed.',
    next: 'Open the mailing here and press the button again.',
  },
  TOO_BUSY: {
    title: 'The database does not answer',
    text: 'The desk is running, but PostgreSQL did not answer in time or refuses to write. While it is away nothing is sent, and nothing is lost: sending goes on by itself when it returns. A button you have just pressed may have worked or not: look before you press it again.',
    next: 'Look at PostgreSQL first: is it running, is its disk full, is it read-only since a failover, does DATABASE_URL still lead to it? Then reload this page.',
  },
  FAULT: {
    title: 'Something went wrong on our side',
    text: 'Nothing was changed. The log of this process has one line about it, at level error.',
    next: 'Try again; if it comes back, keep that line for whoever mends it.',
  },
}
