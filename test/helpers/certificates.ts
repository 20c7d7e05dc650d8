import { createAuthority, type KeyAndCert, openAuthority } from '@token-server/certs'

const DAY = 86_400_000

/** The certificates of one run, made once and never written to a file. */
export interface Certificates {
  /** The authority that both sides trust. */
  readonly ca: string
  readonly server: KeyAndCert
  readonly client: KeyAndCert
  /** Signed by the same authority, for another host. */
  readonly elsewhereServer: KeyAndCert
  readonly expiredServer: KeyAndCert
  /** Each of these clients has to be refused, for the reason in its name. */
  readonly bad: {
    readonly stranger: KeyAndCert
    readonly expired: KeyAndCert
    readonly notYetValid: KeyAndCert
    readonly serverOnly: KeyAndCert
    readonly signedByALeaf: KeyAndCert
    readonly revoked: KeyAndCert
  }
  /** An authority that nobody trusts, and a server of it. */
  readonly otherCa: string
  readonly otherServer: KeyAndCert
  /** Names `bad.revoked`. */
  readonly crl: string
}

let made: Promise<Certificates> | undefined

export function certificates(): Promise<Certificates> {
  made ??= make()
  return made
}

async function make(): Promise<Certificates> {
  const authority = await createAuthority({ name: 'authority of the tests' })
  const other = await createAuthority({ name: 'another authority' })
  const client = await authority.issueClient({ name: 'ann' })
  const leaf = await openAuthority(client, { allowLeaf: true })
  const byLeaf = await leaf.issueClient({ name: 'signed by ann' })
  const revoked = await authority.issueClient({ name: 'revoked' })
  const past = { notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) }
  const future = { notBefore: new Date(Date.now() + DAY), notAfter: new Date(Date.now() + 2 * DAY) }
  return {
    ca: authority.cert,
    server: await authority.issueServer(),
    client,
    elsewhereServer: await authority.issueServer({ hosts: ['elsewhere.example'] }),
    expiredServer: await authority.issueServer(past),
    bad: {
      stranger: await other.issueClient({ name: 'stranger' }),
      expired: await authority.issueClient({ name: 'expired', ...past }),
      notYetValid: await authority.issueClient({ name: 'not yet valid', ...future }),
      serverOnly: await authority.issueClient({ name: 'server only', usages: ['serverAuth'] }),
      signedByALeaf: { key: byLeaf.key, cert: byLeaf.cert + client.cert },
      revoked
    },
    otherCa: other.cert,
    otherServer: await other.issueServer(),
    crl: await authority.createCrl([revoked.cert])
  }
}
