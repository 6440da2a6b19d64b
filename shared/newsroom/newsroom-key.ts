import type { Brand } from '../brand.ts'

export type NewsroomKeyId = Brand<string, 'NewsroomKeyId'>

/** One webhook secret of a newsroom and its span. Several live at once are what makes rotation possible. */
export type NewsroomKey = {
  readonly id: NewsroomKeyId
  readonly label: string
  readonly createdAt: Date
  /** From this instant it signs nothing any more; may lie ahead. */
  readonly endedAt: Date | null
}
export type SealedKey = NewsroomKey & { readonly sealed: Buffer }

export const isLive = (key: Pick<NewsroomKey, 'endedAt'>, now: Date) => key.endedAt === null || key.endedAt > now
