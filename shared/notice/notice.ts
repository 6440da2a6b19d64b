import type { Brand } from '../brand.ts'

export type NoticeId = Brand<string, 'NoticeId'>

/**
 * One transactional letter to one reader. `confirmation` asks for the second yes; `already-following` answers a sign-up
 * for what is already followed, so that the page can say the same to everybody and only the mailbox learns more.
 */
export const noticeKinds = ['confirmation', 'already-following'] as const
export type NoticeKind = (typeof noticeKinds)[number]

/** `due` → `claimed` → `sent`, or `deferred` and claimed again, or an end of another kind. */
export const noticeStates = ['due', 'claimed', 'deferred', 'sent', 'bounced', 'failed', 'suppressed'] as const
export type NoticeState = (typeof noticeStates)[number]
