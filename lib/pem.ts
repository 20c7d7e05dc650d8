import { X509Certificate } from 'node:crypto'

const BLOCK = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g

/** All certificates in a PEM text, in its order; what stands between them is left out, as OpenSSL does. */
export function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(BLOCK) ?? []).map(block => new X509Certificate(block))
}
