import { createAuthority } from '@token-server/certs'
import { curveKeyPair } from './curve.js'

/** Makes an authority and what it signs, P-256 all of it, in memory alone. */
export async function makeCertificates() {
  const authority = await createAuthority({ name: 'bench authority' })
  const hosts = ['localhost', '127.0.0.1']
  const [server, client] = await Promise.all([
    // A side of NATS that listens is a client of the broker, with the same certificate.
    authority.issueServer({ hosts, usages: ['serverAuth', 'clientAuth'] }),
    authority.issueClient({ name: 'client' })
  ])
  return {
    server: { ...server, ca: authority.cert },
    client: { ...client, ca: authority.cert },
    curve: { server: curveKeyPair(), client: curveKeyPair() }
  }
}
