import type { Identity } from '@token-server/identity'
import type { Peer } from 'token-server'

/** The handler that a trusted certificate names by its one common name. undefined: it names none. */
export function handlerOf({ isAuthorized, commonName, validTo }: Peer): Identity | undefined {
  if (!isAuthorized || commonName === null || commonName === '') return undefined
  return Object.freeze({
    id: commonName,
    kind: 'handler' as const,
    name: commonName,
    expiresAt: validTo.getTime()
  })
}
