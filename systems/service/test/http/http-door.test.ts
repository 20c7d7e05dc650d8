import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Hono } from 'hono'
import { WebSocket } from 'ws'
import { HttpDoor, type HttpDoorOptions } from '../../lib'
import { askPlain, askTls, startService, tlsClient } from '../helpers/services'

describe('HttpDoor', () => {
  closesWhatItOpened()

  /** A door that is given what a plain TCP server accepts. */
  async function startDoor(options: HttpDoorOptions = {}): Promise<{ door: HttpDoor; port: number }> {
    const door = new HttpDoor(options)
    const server = createServer(socket => door.handler(socket)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onCleanUp(async () => {
      server.close()
      await door.close(AbortSignal.abort())
    })
    return { door, port: (server.address() as AddressInfo).port }
  }

  function visitor(port: number): Socket {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    onCleanUp(() => socket.destroy())
    return socket
  }

  async function allOf(socket: Socket): Promise<string> {
    let text = ''
    for await (const part of socket) text += part
    return text
  }

  it('serves what fetch answers, with the body of the request and the socket that it came by', async () => {
    const app = new Hono<{ Bindings: { incoming: { socket: Socket } } }>().post('/', async context => {
      return context.json({ body: await context.req.text(), port: context.env.incoming.socket.localPort })
    })
    const { port } = await startDoor({ fetch: app.fetch as NonNullable<HttpDoorOptions['fetch']> })
    const { status, body } = await askPlain(port, '/', { method: 'POST', body: 'x'.repeat(100_000) })
    expect([status, JSON.parse(body)]).to.deep.equal([200, { body: 'x'.repeat(100_000), port }])
  })

  it('knows nothing where nobody serves', async () => {
    const { door, port } = await startDoor()
    expect((await askPlain(port, '/')).status).to.equal(404)
    await until(() => door.answered['4xx'] === 1)
    expect(door.answered).to.deep.equal({ '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 1, '5xx': 0 })
    expect(
      (await askPlain(port, '/', { headers: { connection: 'upgrade', upgrade: 'websocket' } })).status
    ).to.equal(404)
  })

  it('takes no socket that is not admitted', async () => {
    let admitted = 0
    const admit = (socket: Socket) => {
      if (admitted++ === 0) return true
      socket.destroy()
      return false
    }
    const { door, port } = await startDoor({ admit })
    expect((await askPlain(port, '/')).status).to.equal(404)
    const second = visitor(port)
    second.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(second, 'close')
    expect(door.answered['4xx']).to.equal(1)
  })

  it('answers 500 for what fetch throws, and tells it', async () => {
    const told: unknown[] = []
    const error = new Error('of the application')
    const fetch = async () => {
      await Promise.resolve()
      throw error
    }
    const { port } = await startDoor({ fetch, onError: thrown => told.push(thrown) })
    expect(await askPlain(port, '/')).to.deep.include({ status: 500, body: '' })
    expect(told).to.deep.equal([error])
  })

  it('cuts a request whose headers are slow, on a socket that it has not accepted itself', async () => {
    const { port } = await startDoor({ limits: { headersTimeout: 500, requestTimeout: 5_000 } })
    const socket = visitor(port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    // Some of a header from time to time does not put it off.
    const drip = setInterval(() => socket.write('X'), 100)
    onCleanUp(() => clearInterval(drip))
    const begun = performance.now()
    expect(await allOf(socket)).to.match(/^HTTP\/1\.1 408 Request Timeout/)
    expect(performance.now() - begun).to.be.lessThan(4_000)
  })

  it('cuts slow headers on the TLS port of a service as well', async () => {
    const { port } = await startService({ http: { limits: { headersTimeout: 500 } } })
    const socket = await tlsClient(port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    expect(await allOf(socket)).to.match(/^HTTP\/1\.1 408 Request Timeout/)
  })

  it('cuts a request whose body is slow', async () => {
    const fetch = async (request: Request) => new Response(await request.text())
    const { port } = await startDoor({ fetch, limits: { headersTimeout: 500, requestTimeout: 600 } })
    const socket = visitor(port)
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx')
    expect(await allOf(socket)).to.match(/^HTTP\/1\.1 408 Request Timeout/)
  })

  it('bounds the size and the number of headers', async () => {
    const { port } = await startDoor({
      fetch: () => new Response('fine'),
      limits: { maxHeaders: 10, maxHeaderBytes: 2_000 }
    })
    const ask = async (headers: string) => {
      const socket = visitor(port)
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n`)
      return Number((await allOf(socket)).slice(9, 12))
    }
    const headers = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join('')
    expect(await ask(headers(8))).to.equal(200)
    expect(await ask(headers(9))).to.equal(431)
    expect(await ask(headers(80))).to.equal(431)
    expect(await ask(`X: ${'y'.repeat(2_000)}\r\n`)).to.equal(431)
  })

  it('bounds the number of headers on every path: of its own routes and of WebSocket, too', async () => {
    const { port } = await startDoor({
      limits: { maxHeaders: 10 },
      routes: new Map([['/health', (_request, response) => void response.end()]]),
      webSockets: { '/socket': { onConnection: () => {} } }
    })
    const upgrade =
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
    const ask = async (path: string, headers: string, count: number) => {
      const socket = visitor(port)
      const more = Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join('')
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}${more}\r\n`)
      const [first] = (await once(socket, 'data')) as [Buffer]
      socket.destroy()
      return Number(first.toString().slice(9, 12))
    }
    const close = 'Connection: close\r\n'
    expect([await ask('/health', close, 8), await ask('/health', close, 9)]).to.deep.equal([200, 431])
    expect([await ask('/socket', upgrade, 5), await ask('/socket', upgrade, 6)]).to.deep.equal([101, 431])
  })

  it('takes headers of 16 KiB and 100 of them, and no more, unless it is told otherwise', async () => {
    const { port } = await startService({ http: { fetch: () => new Response('fine') } })
    expect((await askTls(port, '/', { headers: { x: 'y'.repeat(16_000) } })).status).to.equal(200)
    expect((await askTls(port, '/', { headers: { x: 'y'.repeat(17_000) } })).status).to.equal(431)
  })

  it('ends what is idle when it closes, and takes no more sockets', async () => {
    const { door, port } = await startDoor({ fetch: () => new Response('fine') })
    const socket = visitor(port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    const gone = once(socket, 'close')
    await door.close(AbortSignal.timeout(5_000))
    await gone
    await once(visitor(port).resume(), 'close')
  })

  describe('by WebSocket', () => {
    function open(port: number, path: string, protocols: string[] = [], headers = {}): WebSocket {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers })
      socket.on('error', () => {})
      onCleanUp(() => socket.terminate())
      return socket
    }

    /** @returns the protocol that was chosen, or the status of the refusal */
    function outcome(socket: WebSocket): Promise<string | number> {
      return new Promise(resolve => {
        socket.once('open', () => resolve(socket.protocol))
        socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
      })
    }

    const echo = (socket: WebSocket) =>
      void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))

    it('speaks the subprotocol that it prefers, and refuses who offers none of them', async () => {
      const webSockets = { '/mqtt': { protocols: ['mqtt', 'mqttv3.1'], onConnection: echo } }
      const { port } = await startDoor({ webSockets })
      expect(await outcome(open(port, '/mqtt', ['mqttv3.1', 'mqtt']))).to.equal('mqtt')
      expect(await outcome(open(port, '/mqtt?a=b', ['mqttv3.1']))).to.equal('mqttv3.1')
      expect(await outcome(open(port, '/mqtt', ['chat']))).to.equal(400)
      expect(await outcome(open(port, '/mqtt'))).to.equal(400)
      expect(await outcome(open(port, '/other', ['mqtt']))).to.equal(404)
    })

    it('refuses the page of another site, and takes programs, which say no origin', async () => {
      const { port } = await startDoor({
        webSockets: {
          '/same': { onConnection: echo },
          '/some': { onConnection: echo, origins: ['https://a.example'] },
          '/any': { onConnection: echo, origins: '*' }
        }
      })
      const as = (path: string, origin?: string) =>
        outcome(open(port, path, [], origin === undefined ? {} : { origin }))
      expect(await as('/same')).to.equal('')
      expect(await as('/same', `https://127.0.0.1:${port}`)).to.equal('')
      expect(await as('/same', 'https://a.example')).to.equal(403)
      expect(await as('/same', 'null')).to.equal(403)
      expect(await as('/some', 'https://a.example')).to.equal('')
      expect(await as('/some', 'https://b.example')).to.equal(403)
      expect(await as('/any', 'https://b.example')).to.equal('')
    })

    it('bounds connections and messages', async () => {
      const webSockets = { '/': { onConnection: echo, maxConnections: 1, maxPayloadBytes: 10 } }
      const { door, port } = await startDoor({ webSockets })
      const socket = open(port, '/')
      expect(await outcome(socket)).to.equal('')
      expect(door.openWebSockets).to.equal(1)
      expect(await outcome(open(port, '/'))).to.equal(503)
      socket.send('0123456789')
      expect(String((await once(socket, 'message'))[0])).to.equal('0123456789')
      socket.send('0123456789a')
      expect((await once(socket, 'close'))[0]).to.equal(1009)
    })

    it('cuts a client that answers no ping', async () => {
      const served: WebSocket[] = []
      const onConnection = (socket: WebSocket) => void served.push(socket)
      // Who answers has this time to be heard.
      const { port } = await startDoor({ webSockets: { '/': { onConnection, heartbeatInterval: 500 } } })
      const [answers, silent] = [open(port, '/'), open(port, '/')]
      let pings = 0
      answers.on('ping', () => pings++)
      expect(await outcome(answers)).to.equal('')
      expect(await outcome(silent)).to.equal('')
      silent.pause()
      const raw = (silent as unknown as { _socket: Socket })._socket
      raw.pause()
      await until(() => served.some(({ readyState }) => readyState === WebSocket.CLOSED))
      await until(() => pings >= 3)
      expect(answers.readyState).to.equal(WebSocket.OPEN)
      raw.resume()
      silent.resume()
      await once(silent, 'close')
    })

    it('pings its clients one after another, and not all at once', async () => {
      const { port } = await startDoor({
        webSockets: { '/': { onConnection: echo, heartbeatInterval: 600 } }
      })
      const sockets = Array.from({ length: 30 }, () => open(port, '/'))
      await Promise.all(sockets.map(outcome))
      const times = await Promise.all(
        sockets.map(async socket => {
          await once(socket, 'ping')
          return performance.now()
        })
      )
      expect(Math.max(...times) - Math.min(...times)).to.be.greaterThan(300)
    })

    it('says that it goes away when it closes, and cuts who does not leave', async () => {
      const { door, port } = await startDoor({ webSockets: { '/': { onConnection: echo } } })
      const [polite, stuck] = [open(port, '/'), open(port, '/')]
      await Promise.all([outcome(polite), outcome(stuck)])
      stuck.pause()
      const told = once(polite, 'close')
      await door.close(AbortSignal.timeout(300))
      expect((await told)[0]).to.equal(1001)
      expect(door.openWebSockets).to.equal(0)
    })
  })
})
