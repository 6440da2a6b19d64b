import type { Brand } from '../brand.ts'
import type { ReleaseId } from '../release/release.ts'

export type DigestCutId = Brand<string, 'DigestCutId'>

/** How often a reader of digests hears from a newsroom. */
export const digestFrequencies = ['daily', 'weekly'] as const
export type DigestFrequency = (typeof digestFrequencies)[number]

/**
 * What a digest tells of a release. `new`: for the first time. `amended`: likewise, and its text was corrected before.
 * `correction`: the reader has an earlier text.
 */
export type Telling = 'new' | 'amended' | 'correction'

/** One release in a digest, in the revision it tells. */
export type DigestItem = { readonly releaseId: ReleaseId; readonly revision: number; readonly telling: Telling }
