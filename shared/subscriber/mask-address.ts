/** Enough of an address to tell two apart, not enough to write to: `o…a@example.com`. */
export function maskAddress(address: string | null): string {
  if (address === null) return '(erased)'
  const at = address.lastIndexOf('@')
  const local = [...address.slice(0, Math.max(at, 0))]
  const last = local.length > 2 ? local.at(-1) : ''
  return `${local.length > 1 ? local[0] : ''}…${last}${address.slice(at)}`
}

/** Mail hosts like to repeat the address in their reply; what stands there is masked like the rest. */
export const maskAddresses = (text: string) => text.replace(addressLike, (address) => maskAddress(address))

// Bounded on both sides, so that a reply of a megabyte of @ costs no more than its length.
const addressLike = /[^\s<>()[\]:;,"@]{1,64}@[^\s<>()[\]:;,"@]{1,255}/g
