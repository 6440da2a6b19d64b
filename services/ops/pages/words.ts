import { type MailingKind, type MailingState, mailingStates } from '../../../shared/mailing/mailing.ts'
import type { MailingProgress, Totals } from '../../../shared/mailing/mailing-progress.sql.ts'

/** Every state and figure in the glossary's word for it, with one line on what it means to whoever is on watch. */

/** `live`: something is under way. `held`: it waits on purpose. `over`: nothing more will happen. `wrong`: it waits for you. */
export type Tone = 'live' | 'held' | 'over' | 'stopped' | 'wrong'

export type StateWords = { readonly label: string; readonly meaning: string; readonly tone: Tone }

const tones: Record<MailingState, Tone> = {
  embargoed: 'held',
  accepted: 'live',
  failed: 'wrong',
  cutting: 'live',
  sending: 'live',
  done: 'over',
  cancelled: 'stopped',
  superseded: 'stopped',
}

export const stateNames = Object.keys(mailingStates) as MailingState[]

export const isLive = (state: MailingState) => tones[state] !== 'over' && tones[state] !== 'stopped'

export const stateWords = (state: MailingState): StateWords => ({
  label: capital(state),
  meaning: mailingStates[state],
  tone: tones[state],
})

export const pausedWords: StateWords = {
  label: 'Paused',
  meaning: 'An operator paused it: no further letter is begun until somebody presses Resume.',
  tone: 'held',
}

export const troubledWords: StateWords = {
  label: 'In trouble',
  meaning: 'Its letters cannot be prepared; it is tried again by itself, and why is told below.',
  tone: 'wrong',
}

export type FigureName = Exclude<keyof Totals, 'readers' | 'chunks' | 'chunksDone'>

export const figureWords: Record<FigureName, { readonly label: string; readonly meaning: string }> = {
  sent: { label: 'Sent', meaning: 'The mail host took the letter. Whether it was delivered is known only later.' },
  deferred: { label: 'Deferred', meaning: 'Refused for now; each has a time to be tried again, by itself.' },
  bounced: { label: 'Bounced', meaning: 'Refused for good: the address gets no more mail.' },
  failed: { label: 'Failed', meaning: 'Given up: refused for now until the time for trying again ran out.' },
  optedOut: { label: 'Opted out', meaning: 'The reader left before their letter did; nothing was sent to them.' },
  suppressed: { label: 'Suppressed', meaning: 'The address gets no mail from anyone here; nothing was sent to it.' },
  withdrawn: {
    label: 'Withdrawn',
    meaning: 'The release was withdrawn or replaced, or its mailing stopped, before the letter left.',
  },
  inDoubt: { label: 'In doubt', meaning: 'The letter was handed over whole and no reply came back: perhaps accepted.' },
  doubted: { label: 'Ever in doubt', meaning: 'Attempts that ended in doubt at some time, also those settled since.' },
}

export const figureNames = Object.keys(figureWords) as FigureName[]

const chunkWords: Record<string, string> = {
  cut: 'Cut: not begun',
  open: 'Open: some letters are unsettled',
  done: 'Done: every letter has an outcome',
}

export const chunkState = (state: string) => chunkWords[state] ?? capital(state)

const verdictWords: Record<string, string> = {
  deferred: 'Deferred: will be tried again',
  bounced: 'Bounced: refused for good',
  failed: 'Failed: given up',
  in_doubt: 'In doubt: perhaps accepted',
}

export const verdictOf = (verdict: string) => verdictWords[verdict] ?? capital(verdict.replaceAll('_', ' '))

const phaseWords: Record<string, string> = {
  connect: 'while connecting',
  greeting: 'waiting for the greeting',
  ehlo: 'at EHLO',
  starttls: 'starting TLS',
  auth: 'logging in to the mail host',
  mail: 'at the sender (MAIL FROM)',
  rcpt: 'at the recipient (RCPT TO)',
  data: 'before the letter (DATA)',
  dot: 'after the whole letter (final dot)',
}

export const phaseOf = (phase: string | null) => (phase === null ? '' : (phaseWords[phase] ?? phase))

const kindWords: Record<MailingKind, string> = {
  release: 'Release',
  correction: 'Correction',
  withdrawal: 'Withdrawal',
  digest: 'Digest',
}
export const kindChoices = Object.entries(kindWords).map(([value, label]) => ({ value, label: `${label}s` }))

export function kindOf({ kind, digest }: Pick<MailingProgress, 'kind' | 'digest'>): string {
  if (digest === null) return kindWords[kind]
  // One that makes up for a digest a revision has replaced goes to readers of either frequency.
  const words = digest.frequency === null ? 'Renewed digest' : `${capital(digest.frequency)} digest`
  return `${words} of ${digest.releases === 1 ? '1 release' : `${digest.releases} releases`}`
}

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1)
