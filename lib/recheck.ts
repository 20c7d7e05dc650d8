import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { knownCertificates } from './known-certificates'
import type { TrustFailure } from './trust'
import { TrustAnchors, type TrustOptions } from './trust-anchors'

/** One answer of new {@link TrustAnchors}. @throws TokenError `ERR_OPTION` */
export function recheck(
  chain: readonly X509Certificate[],
  options: TrustOptions,
  now: Date
): TrustFailure | null {
  return new TrustAnchors(options).check(chain, now)
}

/**
 * The certificates that the peer of a TLS connection sent, its own first. Take them when the connection comes, and
 * before anything else asks: before Node 26 `getPeerX509Certificate` forgets them as it tells them. Of a resumed
 * session, and of a trusted client on Node 24, where Node itself has asked before, the leaf alone is known: the
 * rest of its path must be in option `ca`, else a check refuses it.
 *
 * Not from `getPeerCertificate(true)`, which adds what this side trusted at that time, and tells only part of a
 * chain that came in another order.
 */
export function peerChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= 100) {
    const shown = certificate
    chain.push(knownCertificates.get(shown.fingerprint256, () => shown))
    // Of the one that was shown: the same certificate may have come with others before.
    certificate = shown.issuerCertificate
  }
  // Its length exactly: an array that was pushed to keeps room for 17, and this one stays as long as the connection.
  return chain.slice()
}
