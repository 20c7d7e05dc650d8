import { networkInterfaces } from 'node:os'

/** Where a phone in the same network reaches this machine; 127.0.0.1 when it is in none. */
export function lanAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? [])
  const outside = all.filter(({ family, internal }) => family === 'IPv4' && !internal)
  // Containers and virtual machines of this machine itself have 172.16 to 172.31 by habit.
  const likely = outside.find(({ address }) => /^(192\.168|10)\./.test(address)) ?? outside[0]
  return likely?.address ?? '127.0.0.1'
}
