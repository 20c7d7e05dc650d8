import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenClient } from '../../lib'
import { figures, isLong, MIB } from '../helpers/figures'
import { closesWhatItOpened, connectPair, startServer, until } from '../helpers/loopback'

describe('T22 close() with tokens queued', () => {
  closesWhatItOpened()

  const clients = isLong ? 50 : 10
  const tokens = isLong ? 200 : 50

  it(`T22 delivers 100 % of ${clients * tokens} queued tokens to peers that read`, async function () {
    this.timeout(isLong ? 120_000 : 20_000)
    const { server } = await startServer()
    const pairs: { client: TokenClient; connection: Connection; seen: number }[] = []
    for (let i = 0; i < clients; i++) pairs.push({ ...(await connectPair(server)), seen: 0 })
    for (const pair of pairs) {
      pair.client.on('token', token => {
        expect(token.readUInt32BE()).to.equal(pair.seen++)
      })
      for (let i = 0; i < tokens; i++) {
        const token = Buffer.alloc(32 * 1024)
        token.writeUInt32BE(i)
        expect(pair.connection.send(token)).to.equal(true)
      }
    }
    const ended = Promise.all(pairs.map(({ client }) => client.closed))
    const begin = performance.now()
    expect(server.close({ timeout: 20_000 })).to.equal(true)
    const info = await server.closed
    figures(`${(clients * tokens * 32) / 1024} MiB flushed in ${(performance.now() - begin).toFixed(0)} ms`)
    expect(info).to.include({ code: 'normal', hadError: false, unsent: 0, unconfirmed: 0 })
    for (const { hadError } of await ended) expect(hadError).to.equal(false)
    expect(pairs.map(({ seen }) => seen)).to.deep.equal(Array(clients).fill(tokens))
  })

  it('T22 cuts at the deadline what a peer does not read, and the promise resolves', async () => {
    const { server } = await startServer()
    const reader = await connectPair(server)
    const sleeper = await connectPair(server)
    sleeper.client.connection?.socket.pause()
    let seen = 0
    reader.client.on('token', () => seen++)
    const token = Buffer.alloc(MIB)
    for (let i = 0; i < 5; i++) reader.connection.send(token)
    while (sleeper.connection.send(token));
    const codes = new Map<Connection, string>()
    server.on('connectionError', (error, connection) => codes.set(connection, error.code))
    // What is left of the reader is its end, however slowly this machine moves 5 MiB.
    await until(() => seen === 5)
    const timeout = 1_000
    const begin = performance.now()
    server.close({ timeout })
    const info = await server.closed
    const milliseconds = performance.now() - begin
    figures(`closed after ${milliseconds.toFixed(0)} ms, deadline ${timeout} ms`)
    expect(info.unsent).to.be.greaterThan(0)
    expect([...codes]).to.deep.equal([[sleeper.connection, 'ERR_CLOSE_TIMEOUT']])
    expect(milliseconds).to.be.within(timeout - 5, timeout + 5_000)
    sleeper.client.connection?.socket.resume()
  })

  it('T22 flushes a client’s queue likewise, and its outbox', async () => {
    const { server, port } = await startServer()
    expect(port).to.be.greaterThan(0)
    let bytes = 0
    server.on('token', token => {
      bytes += token.length
    })
    const { client, connection } = await connectPair(server)
    for (let i = 0; i < 10; i++) client.send(Buffer.alloc(MIB))
    client.close({ timeout: 20_000 })
    expect((await client.closed).hadError).to.equal(false)
    await connection.closed
    expect(bytes).to.equal(10 * MIB)
    expect(await once(server, 'close', { signal: AbortSignal.timeout(0) }).catch(() => 'open')).to.equal(
      'open'
    )
  })
})
