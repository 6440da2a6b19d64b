import type { Brand } from '../brand.ts'

export type NoticeId = Brand<string, 'NoticeId'>

/**
 * One transactional letter to one reader. `confirmation` asks for the second yes; `already-following` answers a sign-up
 * for what is already followed, so that the page can say the same to everybody and only the mailbox learns more. The
 * links are what a page was asked for by address. `new-address` asks the address that is to be written to from now on,
 * `address-changed` tells the one that was.
 */
export const noticeKinds = [
  'confirmation',
  'already-following',
  'preferences-link',
  'leave-link',
  'my-data-link',
  'new-address',
  'address-changed',
] as const
export type NoticeKind = (typeof noticeKinds)[number]

/** The kinds anybody can have us send by typing an address. */
export const linkKinds = ['preferences-link', 'leave-link', 'my-data-link'] as const
export type LinkKind = (typeof linkKinds)[number]

/** `due` → `claimed` → `sent`, or `deferred` and claimed again, or an end of another kind. */
export const noticeStates = ['due', 'claimed', 'deferred', 'sent', 'bounced', 'failed', 'suppressed'] as const
export type NoticeState = (typeof noticeStates)[number]

/**
 * How long a claim on a notice lasts unless renewed, in seconds: then others take up what a worker that ended had in hand.
 * To begin the notice it is good for no longer than one on a letter of a mailing.
 */
export const noticeClaim = 60
