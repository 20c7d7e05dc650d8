import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type {
  Connection,
  Peer,
  ReconnectPolicy,
  TokenClient,
  TokenError,
  TokenServerOptions
} from '../../lib'
import { certificates } from '../helpers/certificates'
import {
  clientOptions,
  closesWhatItOpened,
  freePort,
  makeClient,
  startServer,
  tlsOptions,
  until
} from '../helpers/loopback'
import { escapedDuring } from '../helpers/moments'

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

  describe('reconnect', () => {
    const WRONG: Readonly<Record<string, () => unknown>> = {
      ...MISCHIEF,
      'gave 5': () => '5',
      'gave NaN': () => Number.NaN,
      'gave -1': () => -1,
      'gave Infinity': () => Number.POSITIVE_INFINITY,
      'gave true': () => true
    }

    /** What brings the question, and whether the client keeps its connection meanwhile. */
    const OCCASIONS: Readonly<
      Record<string, { session: boolean; bring(client: TokenClient, connection: Connection): void }>
    > = {
      'a lost connection': { session: false, bring: client => client.connection?.socket.destroy() },
      'a lost transport of a session': {
        session: true,
        bring: client => client.connection?.socket.destroy()
      },
      'GOAWAY with retryAfter': {
        session: false,
        bring: (_client, connection) => connection.goaway({ retryAfter: 5 })
      },
      'GOAWAY with retryAfter to a session': {
        session: true,
        bring: (_client, connection) => connection.goaway({ retryAfter: 5 })
      }
    }

    for (const [occasion, { session, bring }] of Object.entries(OCCASIONS)) {
      const begin = async (policy: () => unknown) => {
        const { server, port } = await startServer({ session })
        const accepted = once(server, 'connection')
        const over = { reconnect: policy as ReconnectPolicy, ...(session && { session }) }
        const client = await makeClient(port, over)
        const [connection] = (await accepted) as [Connection]
        if (client.connection === null) await once(client, 'connect')
        return { server, client, connection }
      }

      for (const [what, answer] of Object.entries(WRONG)) {
        it(`a reconnect function that ${what} at ${occasion} ends the client with ERR_OPTION, and each promise is settled`, async () => {
          const { uncaught, unhandled } = await escapedDuring(async () => {
            const { server, client, connection } = await begin(answer)
            // When its transport is cut, nobody has taken it.
            if (occasion.startsWith('GOAWAY')) server.on('token', () => {})
            const fate = client.deliver(Buffer.from('x')).catch((error: TokenError) => error.code)
            bring(client, connection)
            const { code, hadError, error } = await client.closed
            expect([code, hadError]).to.deep.equal(['ERR_OPTION', true])
            const told = what.startsWith('gave promise') ? 'promise' : what.replace(/ that.*/, '')
            expect(error?.message).to.match(
              /^Cannot connect again: the reconnect policy must give milliseconds/
            )
            if (!['gave 5', 'gave true'].includes(what))
              expect(error?.message).to.contain(told.replace('has', 'it has'))
            if (what === 'has thrown') expect(String(error?.cause)).to.contain('of the function')
            expect(await fate).to.be.oneOf([undefined, 'ERR_FATE_UNKNOWN', 'ERR_NOT_SENT'])
            expect(client.connection).to.equal(null)
            server.close({ timeout: 0 })
            await server.closed
          })
          expect([uncaught, unhandled]).to.deep.equal([[], []])
        })
      }

      it(`a reconnect function that gives a fraction at ${occasion} is rounded`, async () => {
        const { client, connection } = await begin(() => 1.5 ** 3)
        const waits: number[] = []
        client.on('reconnecting', ({ delay }) => waits.push(delay))
        const back = once(client, session ? 'resumed' : 'connect')
        bring(client, connection)
        await back
        expect(waits.every(Number.isInteger)).to.equal(true)
      })

      it(`a reconnect function that closes the client at ${occasion} has closed it`, async () => {
        let isClosed: boolean | null = null
        const { client, connection } = await begin(() => {
          isClosed = client.close()
          return 5
        })
        let dials = 0
        client.on('reconnecting', () => dials++)
        bring(client, connection)
        await client.closed
        expect([isClosed, dials]).to.deep.equal([true, 0])
      })
    }

    it('a reconnect function is asked anew at each loss, and may answer with fractions (100 * 1.5 ** attempt)', async () => {
      const port = await freePort()
      const over = { reconnect: (attempt: number) => 1.5 ** attempt, refusedRetryTimeout: 0 }
      const client = await makeClient(port, over)
      const delays: number[] = []
      client.on('reconnecting', ({ delay }) => delays.push(delay))
      await until(() => delays.length === 6)
      expect(delays).to.deep.equal([2, 2, 3, 5, 8, 11])
    })
  })

  for (const option of ['key', 'cert', 'ca'] as const) {
    for (const [what, answer] of Object.entries(MISCHIEF)) {
      it(`${option} that ${what} fails this dial, and the next asks again`, async () => {
        const { uncaught, unhandled } = await escapedDuring(async () => {
          const { port } = await startServer()
          const own = await clientOptions(port)
          // The constructor asks too.
          let dials = 0
          const give = () => (++dials === 3 ? answer() : own[option]) as string
          const client = await makeClient(port, { [option]: give, reconnect: () => 5 })
          await once(client, 'connect')
          const lost = once(client, 'disconnect')
          client.connection?.socket.destroy()
          await lost
          const [{ error }] = (await once(client, 'disconnect')) as [{ error: TokenError }]
          expect(error.code).to.equal('ERR_OPTION')
          expect(error.message).to.contain(option)
          await once(client, 'connect')
        })
        expect([uncaught, unhandled]).to.deep.equal([[], []])
      })
    }
  }

  it('key and cert that give others: a TLS ticket that comes late is not used with them', async () => {
    const { bad, client: ann } = await certificates()
    let own = ann
    const { server, port } = await startServer()
    const over = { key: () => own.key, cert: () => own.cert, reconnect: () => 5 }
    const client = await makeClient(port, over)
    await once(client, 'connect')
    const old = client.connection?.socket as TLSSocket
    // The tickets came before the server's HELLO.
    const ticket = old.getSession()
    const comeBack = async () => {
      const accepted = once(server, 'connection')
      client.connection?.socket.destroy()
      const [connection] = (await accepted) as [Connection]
      if (client.connection === null) await once(client, 'connect')
      return connection.peer?.subject
    }
    own = bad.revoked
    expect(await comeBack()).to.equal('CN=revoked')
    old.emit('session', ticket)
    expect(await comeBack()).to.equal('CN=revoked')
  })

  for (const [what, answer] of Object.entries({ ...MISCHIEF, 'gave undefined': () => 'not good' })) {
    it(`checkServerIdentity that ${what} refuses the server at once`, async () => {
      const { uncaught, unhandled } = await escapedDuring(async () => {
        const { port } = await startServer()
        const client = await makeClient(port, { checkServerIdentity: answer as never })
        const { code, error } = await client.closed
        expect(code).to.equal('ERR_CERTIFICATE')
        expect(error?.cause).to.have.property('name', 'TokenError')
      })
      expect([uncaught, unhandled]).to.deep.equal([[], []])
    })
  }

  it('lookup that throws fails the dial', async () => {
    const { uncaught, unhandled } = await escapedDuring(async () => {
      const lookup = () => {
        throw new Error('of the function')
      }
      const client = await makeClient(1, { host: 'a.example', lookup, refusedRetryTimeout: 0 })
      const { code, error } = await client.closed
      expect([code, String(error?.cause)]).to.deep.equal(['ERR_CONNECT', 'Error: of the function'])
    })
    expect([uncaught, unhandled]).to.deep.equal([[], []])
  })
})
