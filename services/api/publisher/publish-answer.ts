import type { Release } from '../../../shared/release/release.ts'

/** What a publisher is told: what is now owed, and what will happen. */
export type PublishAnswer = {
  readonly releaseId: string
  readonly revision: number
  readonly mailing: { readonly id: string; readonly state: string }
  readonly detail: string
}

export const tellPublisher = (
  release: Pick<Release, 'id' | 'revision' | 'publishedAt' | 'kind'>,
  { id, state }: { id: string; state: string },
): PublishAnswer => ({
  releaseId: release.id,
  revision: release.revision,
  mailing: { id, state },
  detail: whatWillHappen(release, state),
})

function whatWillHappen({ kind, publishedAt }: Pick<Release, 'publishedAt' | 'kind'>, state: string): string {
  if (state === 'embargoed') return `Accepted. Under embargo: letters leave at ${publishedAt.toISOString()}.`
  if (kind === 'correction')
    return 'Accepted. What was unsent is replaced; the correction is leaving now to every reader.'
  if (kind === 'withdrawal') return 'Accepted. What was unsent stays unsent; those who have the release are told now.'
  return 'Accepted. Letters are leaving now.'
}
