import { hash } from 'node:crypto'

/**
 * HMAC-SHA256 (RFC 2104) of payloads of one length. Node's `createHmac` makes three objects with memory outside V8 for each; one is
 * made for every letter and costs twice as much. The hash is Node's own.
 */
export type MacKey = {
  readonly key: Buffer
  /** The key, padded and masked as RFC 2104 says, and room behind it for what is hashed with it. */
  readonly inner: Buffer
  readonly outer: Buffer
}

export const payloadBytes = 24

// SHA-256's own: what it hashes at a time, and what comes out of it.
const blockBytes = 64
const hashBytes = 32

/** Of a key of 64 bytes at the most: a longer one would have to be hashed first. */
export const macKey = (key: Buffer): MacKey => ({
  key,
  inner: masked(key, 0x36, payloadBytes),
  outer: masked(key, 0x5c, hashBytes),
})

function masked(key: Buffer, mask: number, room: number): Buffer {
  const block = Buffer.alloc(blockBytes + room)
  block.fill(mask, 0, blockBytes)
  for (const [at, byte] of key.entries()) block[at] = byte ^ mask
  return block
}

/** The MAC of `payloadBytes` bytes, in a buffer that the next call writes over. */
export function macOf({ inner, outer }: MacKey, payload: Buffer): Buffer {
  // A longer one would be cut, and a shorter one would end in what was there before.
  if (payload.length !== payloadBytes)
    throw new RangeError(`A payload has ${payloadBytes} bytes, not ${payload.length}.`)
  payload.copy(inner, blockBytes)
  // As text, because a buffer for each of the two would cost as much as both hashes.
  outer.write(hash('sha256', inner, 'binary'), blockBytes, 'latin1')
  mac.write(hash('sha256', outer, 'binary'), 0, 'latin1')
  return mac
}

const mac = Buffer.alloc(hashBytes)
