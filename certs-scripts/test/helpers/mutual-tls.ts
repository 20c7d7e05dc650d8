import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as tls from 'node:tls'
import type { KeyAndCert } from '../../lib'

/** Who meets whom. */
export interface Meeting {
  readonly server: KeyAndCert
  readonly client: KeyAndCert
  /** The authorities both sides trust. */
  readonly ca: string | string[]
  /** The name or address that the client means to reach. Default: localhost. */
  readonly host?: string
  readonly crl?: string
}

/** What each side thought of the other: `ok`, or the code of its objection. */
export interface Outcome {
  readonly ofClient: string
  readonly ofServer: string
  readonly protocol: string | null
  /** What the server read, when both were content. */
  readonly read: string
}

/** One connection over loopback. Neither side hangs up for its objection, so that both can be asked for it. */
export async function meet({ server, client, ca, host = 'localhost', crl }: Meeting): Promise<Outcome> {
  const listener = tls.createServer({
    ...server,
    ca,
    ...(crl !== undefined && { crl }),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3'
  })
  listener.listen(0, host === '::1' ? '::1' : '127.0.0.1')
  await once(listener, 'listening')
  const { address, port } = listener.address() as AddressInfo
  const accepted = once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>
  const isAddress = host === address
  const socket = tls.connect({
    ...client,
    ca,
    port,
    host: address,
    rejectUnauthorized: false,
    ...(!isAddress && { servername: host }),
    checkServerIdentity: (_, cert) => tls.checkServerIdentity(host, cert)
  })
  try {
    const [[peer]] = await Promise.all([accepted, once(socket, 'secureConnect')])
    socket.end('hello')
    let read = ''
    for await (const chunk of peer.setEncoding('utf8')) read += chunk
    return {
      ofClient: verdict(peer),
      ofServer: verdict(socket),
      protocol: socket.getProtocol(),
      read
    }
  } finally {
    socket.destroy()
    listener.close()
  }
}

function verdict(socket: tls.TLSSocket): string {
  // Node's types say Error; it is the code's text for a bad chain and an Error for a wrong name.
  const objection = socket.authorizationError as unknown as (Error & { code?: string }) | string | null
  if (objection === null || objection === undefined) return socket.authorized ? 'ok' : 'unknown'
  return typeof objection === 'string' ? objection : (objection.code ?? objection.message)
}
