/** IPv6 has 8 groups; the first 4 say which network it is. */
const GROUPS = 8
const OF_NETWORK = 4

/**
 * Whom a bound by address counts: the first 64 bits of an IPv6 address, for whoever has one of them mostly has all; any other as it is.
 * Connections without an address, as those of a Unix socket, are one.
 */
export function networkOf(address = ''): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter(group => group !== '')
  if (tail !== undefined) {
    const last = tail.split(':').filter(group => group !== '')
    groups.push(...new Array<string>(Math.max(GROUPS - groups.length - last.length, 0)).fill('0'), ...last)
  }
  return groups
    .slice(0, OF_NETWORK)
    .map(group => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')
}
