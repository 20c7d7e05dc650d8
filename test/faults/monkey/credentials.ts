import { createAuthority, type KeyAndCert } from '@token-server/certs'

export const CLIENTS = 8

/** What servers and clients of a round prove themselves with. Both authorities are trusted by all. */
export interface MonkeyCredentials {
  readonly trust: readonly string[]
  /** Good for the names of all clients, for each client dials by a name of its own. */
  readonly servers: readonly KeyAndCert[]
  /** Of each client two, of one subject. */
  readonly clients: readonly (readonly KeyAndCert[])[]
  /** Lists that name nobody. */
  readonly noneRevoked: readonly string[]
  /** Lists that name the first certificate of a client, by client. */
  readonly revoked: readonly (readonly string[])[]
  /** Nobody trusts it. */
  readonly stranger: KeyAndCert
}

export function nameOfClient(index: number): string {
  return `client-${index}`
}

/** The client that dialled by this name. */
export function indexOfClient(name: string): number {
  return Number(name.slice('client-'.length))
}

export async function makeCredentials(): Promise<MonkeyCredentials> {
  const before = await createAuthority({ name: 'before' })
  const after = await createAuthority({ name: 'after' })
  const other = await createAuthority({ name: 'other' })
  const indexes = Array.from({ length: CLIENTS }, (_, index) => index)
  const hosts = ['127.0.0.1', ...indexes.map(nameOfClient)]
  const clients: KeyAndCert[][] = []
  for (const index of indexes) {
    const first = await before.issueClient({ name: nameOfClient(index) })
    clients.push([first, await before.renew(first.cert)])
  }
  const none = await after.createCrl([])
  const revoked: string[][] = []
  for (const [first] of clients as [KeyAndCert][]) revoked.push([await before.createCrl([first.cert]), none])
  return {
    trust: [before.cert, after.cert],
    servers: [
      await before.issueServer({ name: 'one', hosts }),
      await before.issueServer({ name: 'two', hosts }),
      await after.issueServer({ name: 'three', hosts })
    ],
    clients,
    noneRevoked: [await before.createCrl([]), none],
    revoked,
    stranger: await other.issueClient({ name: 'stranger' })
  }
}
