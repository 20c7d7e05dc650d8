import { escaped } from '../errors/escaped'

/** @returns null without an address; without a port the address alone */
export function addressAndPort(address?: string | null, port?: number | null): string | null {
  if (!address || !port) return address || null
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** What `util.inspect` shows of an object. @param facts what is not there is left out */
export function summary(name: string, facts: readonly (string | null | undefined | false)[]): string {
  return escaped(`${name} <${facts.filter(fact => fact).join(', ')}>`)
}
