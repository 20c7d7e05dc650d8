import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '@token-server/certs'

/** Makes an authority and what it signs, P-256 all of it, in a folder of its own that only this user may read. */
export async function makeCertificates() {
  const authority = await createAuthority({ name: 'bench authority' })
  const hosts = ['localhost', '127.0.0.1']
  const [server, client] = await Promise.all([
    // A side of NATS that listens is a client of the broker, with the same certificate.
    authority.issueServer({ hosts, usages: ['serverAuth', 'clientAuth'] }),
    authority.issueClient({ name: 'client' })
  ])
  const folder = mkdtempSync(join(tmpdir(), 'token-server-bench-'))
  const write = (name, text) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  return {
    credentials: {
      server: { ...server, ca: authority.cert },
      client: { ...client, ca: authority.cert },
      curve: await curveKeys()
    },
    files: {
      ca: write('ca.crt', authority.cert),
      cert: write('server.crt', server.cert),
      key: write('server.key', server.key)
    },
    write,
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}

/** ZeroMQ's own kind of keys; none when it is not installed. */
async function curveKeys() {
  try {
    const { curveKeyPair } = await import('./contenders/zeromq.js')
    return { server: curveKeyPair(), client: curveKeyPair() }
  } catch {
    return null
  }
}
