import { type Issuer, signature } from './sign-draft'
import type { CrlOptions } from './types'
import { resolveValidity } from './validity'
import {
  AuthorityKeyIdentifierExtension,
  Extension,
  X509Certificate,
  X509CrlGenerator,
  X509CrlReason
} from './x509'

const crlNumber = '2.5.29.20'

/** A revocation list (PEM, label `X509 CRL`) of these certificates (PEM), signed by the issuer. */
export async function signCrl(
  issuer: Issuer,
  revoked: readonly string[],
  options: CrlOptions = {}
): Promise<string> {
  const { days, thisUpdate, nextUpdate, number = Date.now() } = options
  const { notBefore, notAfter } = resolveValidity(
    {
      ...(days !== undefined && { days }),
      ...(thisUpdate !== undefined && { notBefore: thisUpdate }),
      ...(nextUpdate !== undefined && { notAfter: nextUpdate })
    },
    30
  )
  const serials = new Set(revoked.map(cert => new X509Certificate(cert).serialNumber))
  const crl = await X509CrlGenerator.create({
    issuer: issuer.name,
    thisUpdate: notBefore,
    nextUpdate: notAfter,
    // Without a reason the library writes an empty list of extensions, which RFC 5280 (5.1) rules out.
    entries: [...serials].map(serialNumber => ({
      serialNumber,
      revocationDate: notBefore,
      reason: X509CrlReason.privilegeWithdrawn
    })),
    // RFC 5280, 5.2: both extensions must be in every list.
    extensions: [
      new AuthorityKeyIdentifierExtension(issuer.keyId),
      new Extension(crlNumber, false, integer(number))
    ],
    signingKey: issuer.signingKey,
    signingAlgorithm: signature
  })
  return pem(Buffer.from(crl.rawData))
}

// DER: tag 2, length, then the bytes with one zero bit before the first set one.
function integer(value: number): Buffer {
  const hex = BigInt(value).toString(16)
  const padded = hex.length % 2 === 0 ? hex : `0${hex}`
  const bytes = Buffer.from((padded.charCodeAt(0) > 0x37 ? '00' : '') + padded, 'hex')
  return Buffer.concat([Buffer.from([2, bytes.length]), bytes])
}

// The library labels it "CRL", which OpenSSL, and so Node's `crl` option, does not read.
function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`
}
