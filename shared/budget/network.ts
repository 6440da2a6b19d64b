/** The two nets an address is counted in: what one household or server commands, and what one provider hands out. */
export type Networks = { readonly narrow: string; readonly wide: string }

/**
 * The networks of an address as a request names it. One household or server commands a whole /64 of IPv6, and a rented
 * range is often a /24 or a /48. An IPv4 address in IPv6's clothes is the same address.
 */
export function networksOf(ip: string): Networks {
  const dotted = /^(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(ip)?.[1]
  if (dotted) return { narrow: `${dotted}/32`, wide: `${dotted.slice(0, dotted.lastIndexOf('.'))}.0/24` }
  const groups = groupsOf(ip)
  return { narrow: `${groups.slice(0, 4).join(':')}::/64`, wide: `${groups.slice(0, 3).join(':')}::/48` }
}

/** The eight groups of an IPv6 address, each without leading zeros; what is none counts as one network of its own. */
function groupsOf(ip: string): string[] {
  const [head = '', tail] = (ip.split('%')[0] ?? '').toLowerCase().split('::')
  const before = head.split(':').filter(Boolean)
  const after = (tail ?? '').split(':').filter(Boolean)
  const between = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...between, ...after].map((group) => group.replace(/^0+(?=.)/, ''))
}
