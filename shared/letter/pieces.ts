import type { Slot } from './letter.ts'

/** Text with places in it for a reader's own values. Slots are objects, so no foreign text can pass for one. */
export type Piece = string | { readonly slot: Slot }

export const slot = (name: Slot): Piece => ({ slot: name })

/** `token` is 64 characters of base64url (see links/token.ts); the other slots stand in headers only. */
export const tokenLength = 64

/** Bytes the pieces come to once every token is in its place. */
export function bytesOf(pieces: readonly Piece[]): number {
  let bytes = 0
  for (const piece of pieces) bytes += typeof piece === 'string' ? Buffer.byteLength(piece) : tokenLength
  return bytes
}
