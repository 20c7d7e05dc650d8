import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { startProgram } from '../helpers/fault-program'
import { figures, MIB } from '../helpers/figures'
import { closesWhatItOpened, onCleanUp, startServer, tlsOptions } from '../helpers/loopback'
import type { ServerReport } from './programs/server'

const MAX_TOKEN_LENGTH = 8 * MIB

describe('T2 announced lengths', () => {
  closesWhatItOpened()

  async function peer(port: number): Promise<TLSSocket> {
    const socket = connect(await tlsOptions(port))
    socket.on('error', () => {})
    socket.resume()
    onCleanUp(() => socket.destroy())
    await once(socket, 'secureConnect')
    return socket
  }

  function header(length: number): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(length)
    return bytes
  }

  for (const [length, code] of [
    [0xffff_ffff, 'ERR_CONTROL_FRAME'],
    [0x8000_0000, 'ERR_CONTROL_FRAME'],
    [0x7fff_ffff, 'ERR_TOKEN_TOO_LARGE'],
    [MAX_TOKEN_LENGTH + 1, 'ERR_TOKEN_TOO_LARGE']
  ] as const) {
    it(`T2 refuses 0x${length.toString(16)} at its header by ${code} and closes`, async () => {
      const { server, port } = await startServer({ maxTokenLength: MAX_TOKEN_LENGTH })
      const tokens: Buffer[] = []
      server.on('token', token => tokens.push(token))
      const broken = once(server, 'connectionError')
      const socket = await peer(port)
      const closed = once(socket, 'close')
      socket.write(header(length))
      const [error] = await broken
      expect(error.code).to.equal(code)
      await closed
      expect(tokens).to.deep.equal([])
    })
  }

  it('T2 delivers tokens of 0 bytes, of 1 and of maxTokenLength', async () => {
    const { server, port } = await startServer({ maxTokenLength: MAX_TOKEN_LENGTH })
    const lengths: number[] = []
    const all = new Promise<void>(resolve => {
      server.on('token', token => {
        lengths.push(token.length)
        if (lengths.length === 3) resolve()
      })
    })
    const socket = await peer(port)
    for (const length of [0, 1, MAX_TOKEN_LENGTH]) {
      socket.write(header(length))
      socket.write(Buffer.alloc(length))
    }
    await all
    expect(lengths).to.deep.equal([0, 1, MAX_TOKEN_LENGTH])
  })

  it('T2 takes no memory for what 30 peers announce: less than 1 MiB for 8 MiB each', async () => {
    const server = await startProgram('server')
    const { port } = await server.ask<ServerReport>({
      ask: 'listen',
      options: { maxTokenLength: MAX_TOKEN_LENGTH }
    })
    const sockets: TLSSocket[] = []
    for (let i = 0; i < 30; i++) sockets.push(await peer(port))
    // The first tokens bring the code into memory.
    for (const socket of sockets) socket.write(Buffer.concat([header(1), Buffer.alloc(1)]))
    await Promise.all(sockets.map(socket => once(socket, 'data')))
    await server.ask({ ask: 'report' })
    const before = await server.ask<ServerReport>({ ask: 'report' })
    for (const socket of sockets)
      socket.write(Buffer.concat([header(1), Buffer.alloc(1), header(MAX_TOKEN_LENGTH)]))
    await Promise.all(sockets.map(socket => once(socket, 'data')))
    const after = await server.ask<ServerReport>({ ask: 'report' })
    figures(`RSS +${((after.rss - before.rss) / 1024).toFixed(0)} KiB for ${30 * 8} MiB announced`)
    expect(after.connections).to.equal(30)
    expect(after.rss - before.rss).to.be.below(MIB)
  })
})
