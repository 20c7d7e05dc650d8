import { generate } from 'selfsigned'
import type { Host } from './hosts'
import type { Usage } from './types'
import type { Validity } from './validity'

/** What goes into a draft. */
export interface DraftOptions {
  /** An authority signs certificates and revocation lists; everything else only proves who it is. */
  readonly kind: 'authority' | 'leaf'
  readonly validity: Validity
  /** Default: none, and then the extension is left out. */
  readonly usages?: readonly Usage[]
  /** Default: none, and then the extension is left out. */
  readonly hosts?: readonly Host[]
}

/** A new P-256 key (PEM, PKCS #8) and the certificate that it signed for itself (PEM). */
export interface Draft {
  readonly key: string
  readonly cert: string
}

type Extensions = NonNullable<NonNullable<Parameters<typeof generate>[1]>['extensions']>

/**
 * Has `selfsigned` make a key and, as a request would be, a certificate signed by that same key: with its dates
 * and all extensions that selfsigned knows. It is not for use before `signDraft` has put in what selfsigned can't
 * write: the subject as given (selfsigned pastes names into "CN=…" unescaped, hence the constant here), the
 * subject's and the authority's key identifiers, and the authority's signature.
 */
export async function createDraft({ kind, validity, usages, hosts }: DraftOptions): Promise<Draft> {
  const extensions: Extensions = [
    kind === 'authority'
      ? { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true }
      : { name: 'basicConstraints', cA: false, critical: true },
    kind === 'authority'
      ? { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true }
      : { name: 'keyUsage', digitalSignature: true, critical: true }
  ]
  if (usages !== undefined && usages.length > 0) {
    extensions.push({ name: 'extKeyUsage', ...Object.fromEntries(usages.map(usage => [usage, true])) })
  }
  if (hosts !== undefined) {
    const altNames = hosts.map(({ type, value }) =>
      type === 'ip' ? { type: 7 as const, ip: value } : { type: 2 as const, value }
    )
    extensions.push({ name: 'subjectAltName', altNames })
  }

  // Its defaults are RSA and SHA-1.
  const made = await generate([{ name: 'commonName', value: 'draft' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: validity.notBefore,
    notAfterDate: validity.notAfter,
    extensions
  })
  return { key: made.private, cert: made.cert }
}
