import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures } from '../helpers/figures'
import { closesWhatItOpened, makeClient, onCleanUp } from '../helpers/loopback'
import type { ServerReport } from './programs/server'

describe('T20 the limit of open files', () => {
  closesWhatItOpened()

  it('T20 (64 files) crashes nothing, leaves a client alone, and the server accepts again as soon as files are free', async function () {
    this.timeout(30_000)
    const server = await startProgram('server', 'ulimit -n 64')
    const { port } = await server.ask<ServerReport>({ ask: 'listen', options: {} })
    const client = await makeClient(port)
    const echo = async (text: string) => {
      client.send(Buffer.from(text))
      expect(String((await once(client, 'token'))[0])).to.equal(text)
    }
    await echo('before')

    const strangers: Socket[] = []
    for (let i = 0; i < 200; i++) {
      const socket = connect(port, '127.0.0.1')
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      strangers.push(socket)
    }
    await Promise.all(
      strangers.map(socket => new Promise(resolve => socket.once('connect', resolve).once('close', resolve)))
    )
    await echo('during')
    const during = await server.ask<ServerReport>({ ask: 'report' })
    expect(during.pendingHandshakes).to.be.within(1, 64)

    for (const socket of strangers) socket.destroy()
    const begin = performance.now()
    // Who still meets the limit is dropped by libuv at accept, and comes again.
    const late = await makeClient(port)
    late.on('close', () => late.connect(5))
    // `once` of events would give up at the error of a dial that was dropped.
    await new Promise<void>(resolve => late.once('connect', () => resolve()))
    late.removeAllListeners('close')
    const recovered = performance.now() - begin
    await echo('after')
    const after = await server.ask<ServerReport>({ ask: 'report' })
    figures(
      `${during.pendingHandshakes} pending at the limit; a new client was served after ${recovered.toFixed(0)} ms`
    )
    figures(`told: ${JSON.stringify(after.codes)}`)
    expect(after.uncaught).to.deep.equal([])
    expect(after.connections).to.equal(2)
    expect(server.isRunning).to.equal(true)
    expect(recovered).to.be.below(10_000)
  })
})
