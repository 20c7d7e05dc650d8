import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import type { CloseInfo, Reconnecting } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import { figures } from '../helpers/figures'
import { closesWhatItOpened, connectPair, makeClient, onCleanUp, startServer } from '../helpers/loopback'

describe("T7 the client's half", () => {
  closesWhatItOpened()

  const cases: Record<
    string,
    [(all: Certificates) => Partial<Record<keyof KeyAndCert, string | undefined>>, string]
  > = {
    'no certificate': [() => ({ key: undefined, cert: undefined }), 'certificate-required'],
    'one of another authority': [({ bad }) => bad.stranger, 'certificate-unknown'],
    'an expired one': [({ bad }) => bad.expired, 'certificate-expired'],
    'one that is not yet valid': [({ bad }) => bad.notYetValid, 'certificate-expired'],
    'one for serverAuth only': [({ bad }) => bad.serverOnly, 'certificate-unknown'],
    'a revoked one': [({ bad }) => bad.revoked, 'certificate-unknown'],
    'one signed by a certificate that is no authority': [
      ({ bad }) => bad.signedByALeaf,
      'certificate-unknown'
    ]
  }

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    it(`T7 each of seven clients learns why it is refused, 20 times of 20, and was never connected (${version})`, async function () {
      this.timeout(30_000)
      const all = await certificates()
      const { server, port } = await startServer({ crl: all.crl, minVersion: 'TLSv1.2' })
      let connections = 0
      let tokens = 0
      server.on('connection', () => connections++)
      server.on('token', () => tokens++)
      let slowest = 0
      for (const [pick, closeCode] of Object.values(cases)) {
        for (let i = 0; i < 20; i++) {
          const begin = performance.now()
          const client = await makeClient(port, {
            ...(pick(all) as Partial<KeyAndCert>),
            minVersion: 'TLSv1.2',
            maxVersion: version
          })
          let isConnected = false
          client.on('connect', () => {
            isConnected = true
          })
          client.send(Buffer.from('secret'))
          const { error, unsent } = await client.closed
          slowest = Math.max(slowest, performance.now() - begin)
          expect(error).to.include({ code: 'ERR_REFUSED', closeCode })
          expect({ isConnected, unsent }).to.deep.equal({ isConnected: false, unsent: 1 })
        }
      }
      figures(`140 refusals learnt, the slowest after ${slowest.toFixed(0)} ms`)
      expect({ connections, tokens }).to.deep.equal({ connections: 0, tokens: 0 })
      await connectPair(server)
    })
  }

  it('T7 a client that comes back is told again each time, and waits as for what is hopeless', async () => {
    const { bad } = await certificates()
    const { port } = await startServer()
    const client = await makeClient(port, { ...bad.stranger, reconnect: true })
    const lost = once(client, 'disconnect')
    const [next] = (await once(client, 'reconnecting')) as [Reconnecting]
    const [{ error }] = (await lost) as [CloseInfo]
    expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'certificate-unknown' })
    expect(next.delay).to.be.at.least(30_000)
    client.close()
    expect((await client.closed).hadError).to.equal(false)
  })

  const badServers: Record<string, [(all: Certificates) => KeyAndCert, string]> = {
    'of another authority': [({ otherServer }) => otherServer, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    'that has expired': [({ expiredServer }) => expiredServer, 'CERT_HAS_EXPIRED'],
    'for another name': [({ elsewhereServer }) => elsewhereServer, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    'for clientAuth only': [({ client }) => client, 'INVALID_PURPOSE']
  }
  for (const [title, [pick, reason]] of Object.entries(badServers)) {
    it(`T7 a server with a certificate ${title} gets no byte: HELLO is not said, and the client tells it`, async () => {
      const all = await certificates()
      const received: Buffer[] = []
      const port = await listen({ ...pick(all), ca: all.ca, requestCert: true }, socket =>
        socket.on('data', data => received.push(data))
      )
      const client = await makeClient(port)
      client.send(Buffer.from('secret'))
      const { error, unsent } = await client.closed
      expect(error?.code).to.equal('ERR_CERTIFICATE')
      expect(error?.message).to.contain(reason)
      expect(unsent).to.equal(1)
      expect(Buffer.concat(received).length).to.equal(0)
    })
  }

  it('T7 a stranger that stands between is found out: it has a good certificate, and not the one that HELLO names', async () => {
    const all = await certificates()
    const { server, port } = await startServer()
    let connections = 0
    server.on('connection', () => connections++)
    // It has the key of another server of the same authority, and of a client; it hands the bytes on.
    const between = await listen({ ...all.expiredServer, ca: all.ca, requestCert: true }, near => {
      const over: ConnectionOptions = { ...all.client, ALPNProtocols: ['token/2'] }
      const far = connect({ host: '127.0.0.1', port, ca: all.ca, ...over })
      onCleanUp(() => far.destroy())
      far.on('error', () => {})
      near.pipe(far).pipe(near)
    })
    const refused = once(server, 'refused')
    const client = await makeClient(between, { rejectUnauthorized: false })
    const { error } = await client.closed
    expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'certificate-mismatch' })
    expect((await refused)[0].error.closeCode).to.equal('certificate-mismatch')
    expect(connections).to.equal(0)
  })

  async function listen(options: TlsOptions, onSocket: (socket: TLSSocket) => void): Promise<number> {
    const server = createServer(
      { rejectUnauthorized: false, ALPNProtocols: ['token/2'], ...options },
      socket => {
        onCleanUp(() => socket.destroy())
        socket.on('error', () => {})
        onSocket(socket)
      }
    )
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onCleanUp(() => server.close())
    return (server.address() as AddressInfo).port
  }
})
