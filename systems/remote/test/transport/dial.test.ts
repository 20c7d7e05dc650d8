import {
  certificates,
  closesWhatItOpened,
  freePort,
  makeServer,
  plainServer,
  portOf
} from '@token-server/test-helpers'
import { expect } from 'chai'
import { RemoteError } from '../../lib/errors/remote-error'
import { addressOf } from '../../lib/transport/address'
import { dialNode } from '../../lib/transport/node-dial'

async function refusal(dialled: Promise<unknown>): Promise<RemoteError> {
  try {
    await dialled
  } catch (error) {
    expect(error).to.be.instanceOf(RemoteError)
    return error as RemoteError
  }
  throw new Error('it was not refused')
}

describe('A dial', () => {
  closesWhatItOpened()

  for (const scheme of ['ws', 'wss', 'tokens']) {
    it(`to ${scheme}:// where nobody listens says so at once`, async () => {
      const error = await refusal(dialNode()({ url: `${scheme}://127.0.0.1:${await freePort()}` }))
      expect([error.code, error.reason, error.ran]).to.deep.equal(['disconnected', 'unreachable', 'no'])
    })

    it(`to ${scheme}:// that never answers ends in time`, async () => {
      const port = await plainServer()
      const dial = dialNode({ connectTimeout: 100 })
      expect((await refusal(dial({ url: `${scheme}://127.0.0.1:${port}` }))).reason).to.equal(
        'connect-timeout'
      )
    })

    it(`to ${scheme}:// can be given up`, async () => {
      const port = await plainServer()
      const given = new AbortController()
      const error = refusal(dialNode()({ url: `${scheme}://127.0.0.1:${port}` }, given.signal))
      setTimeout(() => given.abort(), 20)
      expect((await error).reason).to.equal('aborted')
      expect(
        (await refusal(dialNode()({ url: `${scheme}://127.0.0.1:${port}` }, given.signal))).reason
      ).to.equal('aborted')
    })
  }

  for (const scheme of ['wss', 'tokens']) {
    it(`to ${scheme}:// does not trust a certificate of somebody else`, async () => {
      const server = await makeServer()
      await server.ready
      const { otherCa: ca, client } = await certificates()
      const dial = dialNode({ tls: { ca, ...client } })
      expect((await refusal(dial({ url: `${scheme}://127.0.0.1:${portOf(server)}` }))).reason).to.equal(
        'not-trusted'
      )
    })
  }

  it('takes the path of the web when the URL has none, and never sends its query', () => {
    expect(addressOf({ url: 'wss://host?device=x' }).webSocket).to.equal('wss://host/remote')
    expect(addressOf({ url: 'ws://host:81/own?device=x#k' }).webSocket).to.equal('ws://host:81/own')
    const { host, port } = addressOf({ url: 'tokens://[::1]:9443?device=x' })
    expect({ host, port }).to.deep.equal({ host: '::1', port: 9443 })
  })

  it('refuses what it can not dial', async () => {
    for (const url of ['nonsense', 'ftp://host', 'tokens://host'])
      expect((await refusal(dialNode()({ url }))).code).to.equal('invalid')
  })
})
