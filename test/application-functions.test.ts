import { once } from 'node:events'
import { connect } from 'node:tls'
import { expect } from 'chai'
import type { Peer, TokenError, TokenServerOptions } from '../lib'
import { certificates } from './helpers/certificates'
import { closesWhatItOpened, makeClient, startServer, tlsOptions } from './helpers/loopback'
import { escapedDuring } from './helpers/moments'

/** What a function of the application may do instead of an answer. */
const MISCHIEF: Readonly<Record<string, () => unknown>> = {
  'has thrown': () => {
    throw new Error('of the function')
  },
  'gave undefined': () => undefined,
  'gave a promise': () => Promise.resolve('ann'),
  'gave a promise that is rejected': () => Promise.reject(new Error('of the function')),
  'gave 5': () => 5,
  'gave an object': () => ({})
}

describe('A function of the application', () => {
  closesWhatItOpened()

  /** The refusal of ann on a server whose function fails for her, while another client comes and goes. */
  async function refusalOf(options: TokenServerOptions, isSession: boolean) {
    const { bad } = await certificates()
    const { server, port } = await startServer(options)
    server.on('token', (token, connection) => connection.send(token))
    const refused = once(server, 'refused')
    const over = { ...(isSession && { session: true }), reconnect: (): false => false }
    const ann = await makeClient(port, over)
    const { error } = await ann.closed
    const [refusal] = (await refused) as [{ error: TokenError }]
    const other = await makeClient(port, { ...over, ...bad.revoked })
    other.send(Buffer.from('the other'))
    expect(String((await once(other, 'token'))[0])).to.equal('the other')
    other.close()
    await other.closed
    server.close()
    expect((await server.closed).code).to.equal('normal')
    return { refusal: refusal.error, error }
  }

  const isAnn = (peer: Peer | null) => peer?.subject === 'CN=ann'

  for (const [what, answer] of Object.entries(MISCHIEF)) {
    for (const authorize of [undefined, () => true, () => Promise.resolve(true)]) {
      const beside = authorize === undefined ? 'without' : `beside ${String(authorize)} as`
      it(`sessionIdentity that ${what}, ${beside} authorize, refuses this client alone`, async () => {
        const sessionIdentity = (peer: Peer | null) => (isAnn(peer) ? answer() : 'other') as string
        const { uncaught, unhandled } = await escapedDuring(async () => {
          const { refusal, error } = await refusalOf({ session: true, sessionIdentity, authorize }, true)
          expect(refusal.name).to.equal('TokenError')
          expect(refusal).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
          const told = what.startsWith('gave') ? what.replace(/ that.*/, '') : 'it has thrown'
          expect(refusal.message).to.contain(told)
          if (what === 'has thrown') expect(String(refusal.cause)).to.contain('of the function')
          expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
        })
        expect([uncaught, unhandled]).to.deep.equal([[], []])
      })
    }

    it(`authorize that ${what} refuses this client alone`, async () => {
      const authorize = (peer: Peer | null) => (isAnn(peer) ? answer() : true) as boolean
      const { uncaught, unhandled } = await escapedDuring(async () => {
        const { refusal, error } = await refusalOf({ authorize }, false)
        expect(refusal).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
        expect(error).to.include({ code: 'ERR_REFUSED', closeCode: 'refused' })
      })
      expect([uncaught, unhandled]).to.deep.equal([[], []])
    })
  }

  it('handler of another protocol that throws has its socket destroyed, and is uncaught', async () => {
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const handler = () => {
        throw new Error('of the handler')
      }
      const { server, port } = await startServer({
        protocols: { 'http/1.1': { handler, clientCertificate: 'required' } }
      })
      const socket = connect({ ...(await tlsOptions(port)), ALPNProtocols: ['http/1.1'] })
      socket.on('error', () => {})
      await once(socket.resume(), 'close')
      server.close()
      expect((await server.closed).code).to.equal('normal')
    })
    expect([uncaught.map(String), unhandled]).to.deep.equal([['Error: of the handler'], []])
  })
})
