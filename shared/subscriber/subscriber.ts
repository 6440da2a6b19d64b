import type { Brand } from '../brand.ts'

/** The row that stands for a reader's address. */
export type SubscriberId = Brand<string, 'SubscriberId'>
