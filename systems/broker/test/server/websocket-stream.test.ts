import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import WebSocket, { WebSocketServer } from 'ws'
import { WebSocketStream } from '../../lib/server/websocket-stream'

describe('A stream of a WebSocket', () => {
  closesWhatItOpened()

  async function pair(): Promise<{ client: WebSocket; stream: WebSocketStream; closed: Promise<unknown> }> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    onCleanUp(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
    await once(server, 'listening')
    const connected = once(server, 'connection')
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    client.on('error', () => undefined)
    const [socket] = (await connected) as [WebSocket]
    await once(client, 'open')
    const stream = new WebSocketStream(socket as never)
    stream.on('error', () => undefined)
    return { client, stream, closed: once(socket, 'close') }
  }

  for (const [what, waits] of [
    ['has read a part of what came', 1_000],
    ['has left much unread', 300_000]
  ] as const) {
    it(`closes its socket at once when it is destroyed and ${what}, though more comes`, async () => {
      const { client, stream, closed } = await pair()
      client.send(Buffer.alloc(waits))
      await once(stream, 'readable')
      stream.read(1)
      stream.destroy()
      client.send(Buffer.alloc(1_000))
      const begun = performance.now()
      await Promise.all([closed, once(client, 'close')])
      expect(performance.now() - begun).to.be.lessThan(2_000)
    })
  }

  it('sends nothing that waits when it is destroyed', async () => {
    const { client, stream, closed } = await pair()
    client.pause()
    const socket = (client as unknown as { _socket: Socket })._socket
    socket.pause()
    for (let i = 0; i < 500; i++) stream.write(Buffer.alloc(65_536))
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(stream.writableLength, 'the system takes no more').to.be.greaterThan(0)
    stream.destroy()
    await closed
    let received = 0
    client.on('message', data => {
      received += (data as Buffer).length
    })
    client.resume()
    socket.resume()
    await once(client, 'close')
    expect(received).to.be.lessThan(500 * 65_536)
  })
})
