import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenError } from '../../lib'
import { FEATURE_ACK, FEATURE_HANDLER } from '../../lib/wire/hello'
import { certificates } from '../helpers/certificates'
import { memory } from '../helpers/fault-program'
import { figures, MIB } from '../helpers/figures'
import { HandClient } from '../helpers/hand-client'
import { closesWhatItOpened, connectPair, startServer, until } from '../helpers/loopback'
import { settled } from '../helpers/moments'

const LONG = 100 * MIB

describe('H3 an answer of 100 MiB', () => {
  closesWhatItOpened()

  it('H3 is refused to who asks by its maxTokenLength, without a byte of it, and the connection goes on', async () => {
    const { server } = await startServer()
    const answer = Buffer.alloc(LONG)
    server.handle(token => (String(token) === 'long' ? answer : token))
    const { client, connection } = await connectPair(server)
    const error = (await client.request(Buffer.from('long')).catch(reason => reason)) as TokenError
    expect([error.code, error.reason]).to.deep.equal(['ERR_HANDLER_FAILED', 'answer-too-large'])
    expect(String(await client.request(Buffer.from('short')))).to.equal('short')
    expect([connection.bufferedAmount, connection.isOpen]).to.deep.equal([0, true])
  })

  it('H3 arrives where maxTokenLength allows it, and so does a short one beside it', async function () {
    this.timeout(120_000)
    const { server } = await startServer({ maxTokenLength: LONG })
    const answer = Buffer.alloc(LONG, 'answer ')
    server.handle(token => (String(token) === 'long' ? answer : token), { concurrency: 2 })
    const { client } = await connectPair(server, { maxTokenLength: LONG })
    const [long, short] = await Promise.all([
      client.request(Buffer.from('long')),
      client.request(Buffer.from('short'))
    ])
    expect([long.equals(answer), String(short)]).to.deep.equal([true, 'short'])
  })

  it('H3 at most 2 MiB of answers wait for a peer that does not read, and it gets the others when it does', async function () {
    this.timeout(120_000)
    const { server, port } = await startServer({
      heartbeat: 0,
      writeTimeout: 600_000,
      maxTokenLength: 4 * MIB
    })
    let handled = 0
    server.handle(() => {
      handled++
      return Buffer.alloc(MIB / 2)
    })
    const { ca, client } = await certificates()
    const accepted = once(server, 'connection')
    const peer = await HandClient.dial(port, client, ca)
    await peer.greet(null, { features: FEATURE_ACK | FEATURE_HANDLER })
    const [connection] = (await accepted) as [Connection]
    peer.socket.pause()
    const before = memory().used
    for (let i = 0; i < 1000; i++) peer.say({ type: 'request' }, 'ask')
    // Real time: the kernel takes some MiB, and tells nobody when it is full.
    let last = -1
    while (last !== handled || handled === 0) {
      last = handled
      await new Promise(resolve => setTimeout(resolve, 100))
      await settled()
    }
    figures(
      `${handled} of 1000 handled, ${(connection.bufferedAmount / MIB).toFixed(1)} MiB wait, ${((memory().used - before) / MIB).toFixed(1)} MiB more in use`
    )
    expect(connection.bufferedAmount).to.be.below(2 * MIB)
    expect(handled).to.be.below(100)
    // When it reads, the others are handled.
    peer.socket.removeAllListeners('data')
    peer.socket.resume()
    await until(() => handled === 1000, 60_000)
  })
})
