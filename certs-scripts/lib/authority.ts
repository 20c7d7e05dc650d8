import { createPrivateKey, X509Certificate as NodeCertificate } from 'node:crypto'
import { signCrl } from './crl'
import { describeCertificate, isSignedBy, readCertificate } from './describe'
import { createDraft, type DraftOptions } from './draft'
import { CertsError, reasonOf } from './errors'
import { defaultHosts, resolveHosts } from './hosts'
import { type Issuer, importSigningKey, signDraft } from './sign-draft'
import { subjectOf } from './subject'
import type { Authority, AuthorityOptions, KeyAndCert, OpenOptions, ValidityOptions } from './types'
import { daysOf, resolveValidity } from './validity'
import { PublicKey, SubjectKeyIdentifierExtension, X509Certificate } from './x509'

const extendedKeyUsage = '2.5.29.37'
const subjectAltName = '2.5.29.17'

/**
 * Makes a new authority, under which no further authority can stand.
 * @throws {CertsError} ERR_CERTS_NAME, ERR_CERTS_VALIDITY
 */
export async function createAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const subject = subjectOf(options.name ?? 'token-server authority')
  const draft = await createDraft({ kind: 'authority', validity: resolveValidity(options, 3650) })
  return openAuthority({ key: draft.key, cert: await signDraft(draft, subject) })
}

/**
 * Takes up an authority that was made earlier; its key has to be EC P-256.
 * @throws {CertsError} ERR_CERTS_AUTHORITY when it can't be read, the key is another's, or it may not sign.
 */
export async function openAuthority(pair: KeyAndCert, options: OpenOptions = {}): Promise<Authority> {
  const { issuer, notAfter } = await readAuthority(pair, options.allowLeaf === true)

  return {
    key: pair.key,
    cert: pair.cert,

    async issueServer(server = {}) {
      const { name = 'server', hosts = defaultHosts(), usages = ['serverAuth'] } = server
      return await issue(name, server, { usages, hosts: resolveHosts(hosts) })
    },

    async issueClient(client) {
      const { name, usages = ['clientAuth'] } = client
      return await issue(name, client, { usages })
    },

    async renew(pem, renewal = {}) {
      const { hosts, ...dates } = renewal
      const { cert: old } = readCertificate(pem)
      const kept = old.extensions.filter(
        ({ type }) => type === extendedKeyUsage || (type === subjectAltName && hosts === undefined)
      )
      const validity = resolveValidity(dates, daysOf(old), notAfter)
      const names = hosts !== undefined && { hosts: resolveHosts(hosts) }
      const draft = await createDraft({ kind: 'leaf', validity, ...names })
      return { key: draft.key, cert: await signDraft(draft, old.subjectName, issuer, kept) }
    },

    async createCrl(revoked, crlOptions) {
      for (const cert of revoked) checkSigned(cert, pair.cert)
      return await signCrl(issuer, revoked, crlOptions)
    }
  }

  async function issue(
    name: string,
    dates: ValidityOptions,
    contents: Pick<DraftOptions, 'usages' | 'hosts'>
  ): Promise<KeyAndCert> {
    const subject = subjectOf(name)
    const validity = resolveValidity(dates, 365, notAfter)
    const draft = await createDraft({ kind: 'leaf', validity, ...contents })
    return { key: draft.key, cert: await signDraft(draft, subject, issuer) }
  }
}

async function readAuthority(
  { key, cert: pem }: KeyAndCert,
  allowLeaf: boolean
): Promise<{ issuer: Issuer; notAfter: Date }> {
  try {
    const node = new NodeCertificate(pem)
    if (!node.checkPrivateKey(createPrivateKey(key))) throw refuse('its key belongs to another certificate')
    if (!node.ca && !allowLeaf) throw refuse('its certificate may not sign others (CA:FALSE)')
    const cert = new X509Certificate(node.raw)
    const signingKey = await importSigningKey(key)
    return {
      issuer: { name: cert.subjectName, keyId: await keyIdOf(cert), signingKey },
      notAfter: cert.notAfter
    }
  } catch (error) {
    if (error instanceof CertsError) throw error
    throw refuse(`its key or certificate can't be read (${reasonOf(error)})`, error)
  }
}

// A list names serial numbers only: another authority's certificate on it would look revoked and go on working.
function checkSigned(cert: string, authority: string): void {
  if (isSignedBy(cert, authority)) return
  const { subject, serialNumber } = describeCertificate(cert)
  const reason = `another authority signed this certificate (${subject}, serial number ${serialNumber})`
  throw new CertsError('ERR_CERTS_AUTHORITY', `Cannot revoke a certificate: ${reason}`)
}

async function keyIdOf(cert: X509Certificate): Promise<string> {
  const own = cert.getExtension(SubjectKeyIdentifierExtension)
  if (own !== null) return own.keyId
  const key = await PublicKey.create(cert.publicKey)
  return Buffer.from(await key.getKeyIdentifier()).toString('hex')
}

function refuse(reason: string, cause?: unknown): CertsError {
  return new CertsError('ERR_CERTS_AUTHORITY', `Cannot use the authority: ${reason}`, { cause })
}
