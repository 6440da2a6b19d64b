/**
 * The mailing that an envelope sender names, `b+<code>@…`; null: none. The code is base32 (RFC 4648) and begins with the
 * mailing's number in eight bytes, big-endian. Read here anew, by nothing but what is on the wire.
 */
export function mailingIn(envelope: string): string | null {
  const code = /^b\+([a-z2-7]{39})@/i.exec(envelope)?.[1]?.toLowerCase()
  if (code === undefined) return null
  let number = 0n
  // Thirteen letters are 65 bits, of which the first 64 count.
  for (const letter of code.slice(0, 13)) number = (number << 5n) | BigInt(alphabet.indexOf(letter))
  return String(number >> 1n)
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
