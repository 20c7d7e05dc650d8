import { once } from 'node:events'
import { connect } from 'node:tls'
import type { KeyAndCert } from '@token-server/certs'
import { expect } from 'chai'
import type { Refusal, TokenError } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, makeClient, onCleanUp, startServer } from '../helpers/loopback'

describe('T7 certificates that must be refused', () => {
  closesWhatItOpened()

  const cases: Record<string, (all: Certificates) => Partial<KeyAndCert>> = {
    'no certificate': () => ({}),
    'one of another authority': ({ bad }) => bad.stranger,
    'an expired one': ({ bad }) => bad.expired,
    'one that is not yet valid': ({ bad }) => bad.notYetValid,
    'one for serverAuth only': ({ bad }) => bad.serverOnly,
    'a revoked one': ({ bad }) => bad.revoked,
    'one signed by a certificate that is no authority': ({ bad }) => bad.signedByALeaf
  }

  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    for (const [title, pick] of Object.entries(cases)) {
      it(`T7 refuses a client with ${title} (${version}) before any byte of its tokens`, async () => {
        const all = await certificates()
        const { server, port } = await startServer({ crl: all.crl, minVersion: 'TLSv1.2' })
        let connections = 0
        const tokens: Buffer[] = []
        const refusals: Refusal[] = []
        server.on('connection', () => connections++)
        server.on('token', token => tokens.push(token))
        server.on('refused', refusal => refusals.push(refusal))

        const socket = connect({ host: '127.0.0.1', port, ca: all.ca, ...pick(all), maxVersion: version })
        onCleanUp(() => socket.destroy())
        const received: Buffer[] = []
        socket.on('data', data => received.push(data))
        socket.on('error', () => {})
        socket.on('secureConnect', () => socket.write(Buffer.from('0000000474657374', 'hex')))
        await new Promise(resolve => socket.on('close', resolve))

        // A good client is let in afterwards, and proves that the server had its time to do the wrong thing.
        await connectPair(server)
        expect(refusals.map(refusal => refusal.code)).to.deep.equal(['ERR_CERTIFICATE'])
        expect(refusals[0]?.address).to.equal('127.0.0.1')
        expect(connections, 'connections beside the good one').to.equal(1)
        expect(tokens).to.deep.equal([])
        expect(received).to.deep.equal([])
      })
    }
  }

  it('T7 tells the reason at the server', async () => {
    const { bad, crl } = await certificates()
    const { server, port } = await startServer({ crl })
    const reasons: string[] = []
    for (const pair of [
      bad.stranger,
      bad.expired,
      bad.notYetValid,
      bad.serverOnly,
      bad.revoked,
      bad.signedByALeaf
    ]) {
      const refused = once(server, 'refused')
      await makeClient(port, pair)
      const { error } = (await refused)[0] as Refusal
      reasons.push(/refused with (\w+)/.exec(error.message)?.[1] as string)
    }
    expect(reasons).to.deep.equal([
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'CERT_HAS_EXPIRED',
      'CERT_NOT_YET_VALID',
      'INVALID_PURPOSE',
      'CERT_REVOKED',
      // Node has no name for X509_V_ERR_INVALID_CA.
      'UNSPECIFIED'
    ])
  })

  it('T7 has the client refuse a server whose names do not match, before any byte of its tokens', async () => {
    const { elsewhereServer } = await certificates()
    const { server, port } = await startServer(elsewhereServer)
    const tokens: Buffer[] = []
    server.on('token', token => tokens.push(token))
    const client = await makeClient(port)
    let isConnected = false
    client.on('connect', () => {
      isConnected = true
    })
    client.send(Buffer.from('secret'))
    const { error, unsent } = await client.closed
    expect((error as TokenError).code).to.equal('ERR_CERTIFICATE')
    expect(unsent).to.equal(1)
    expect(isConnected).to.equal(false)
    server.close()
    await server.closed
    expect(tokens).to.deep.equal([])
  })
})
