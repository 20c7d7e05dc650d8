import { request } from 'node:http'
import { type Certificates, certificates, closesWhatItOpened, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { RemoteError } from '../../lib/errors/remote-error'
import { HostListener, type HostListenerOptions } from '../../lib/server/host-listener'
import { RequestBodies } from '../../lib/server/request-bodies'
import { Visitors } from '../../lib/server/visitors'
import { webRoutes } from '../../lib/server/web-routes'
import { dialNode } from '../../lib/transport/node-dial'
import { onceNode } from '../../lib/transport/node-once'
import { framesOf } from '../helpers/link-pairs'

/** Says each frame back. */
async function startEcho(options: HostListenerOptions = {}): Promise<number> {
  const listener = await HostListener.open(
    { port: 0, ...options },
    {
      onLink: link => {
        link.onFrame = frame => link.send(frame)
      },
      visitors: new Visitors(options),
      fetch: webRoutes({
        once: (device, frame) => {
          if (device === 'lamp') return frame()
          return Promise.reject(
            device === 'busy'
              ? new RemoteError('refused', 'no', { reason: 'busy' })
              : new RemoteError('disconnected', 'no')
          )
        },
        notice: device => (device === 'lamp' ? { publicKey: 'p', online: true } : undefined),
        bodies: new RequestBodies({ maxBytes: 1_000 })
      })
    }
  )
  onCleanUp(() => listener.close(100))
  return listener.address.port
}

async function echo(url: string, tls?: object): Promise<string> {
  const link = await dialNode({ tls })({ url })
  const frames = framesOf(link, 1)
  link.send(utf8('hello'))
  const [frame] = await frames
  link.close()
  return textOf(frame as Uint8Array)
}

describe('A device that listens', () => {
  closesWhatItOpened()
  let certs: Certificates
  before(async () => {
    certs = await certificates()
  })

  it('without a certificate speaks WebSocket, at the path of the web and at none', async () => {
    const port = await startEcho()
    expect(await echo(`ws://127.0.0.1:${port}`)).to.equal('hello')
    expect(await echo(`ws://127.0.0.1:${port}/remote`)).to.equal('hello')
    const root = new WebSocket(`ws://127.0.0.1:${port}/`)
    await new Promise(resolve => root.once('open', resolve))
    root.terminate()
  })

  it('with one speaks WebSocket, tokens and HTTPS on one port, and needs no certificate of a client', async () => {
    const port = await startEcho({ tls: certs.server })
    const tls = { ca: certs.ca }
    expect(await echo(`wss://127.0.0.1:${port}`, tls)).to.equal('hello')
    expect(await echo(`tokens://127.0.0.1:${port}`, tls)).to.equal('hello')
    const web = onceNode({ tls })
    expect(textOf(await web.post(`https://127.0.0.1:${port}`, 'lamp', utf8('once')))).to.equal('once')
    expect(await web.lookUp(`https://127.0.0.1:${port}`, 'lamp')).to.deep.equal({
      publicKey: 'p',
      online: true
    })
  })

  it('with an authority lets nobody speak tokens whom it has not signed', async () => {
    const port = await startEcho({ tls: { ...certs.server, ca: certs.ca } })
    expect(await echo(`tokens://127.0.0.1:${port}`, { ca: certs.ca, ...certs.client })).to.equal('hello')
    const dialled = dialNode({ tls: { ca: certs.ca, ...certs.bad.stranger } })({
      url: `tokens://127.0.0.1:${port}`
    })
    expect(await dialled.catch(error => (error as RemoteError).code)).to.equal('disconnected')
    expect(await echo(`wss://127.0.0.1:${port}`, { ca: certs.ca })).to.equal('hello')
  })

  it('says over HTTP what went wrong, and whether a device can have had the request', async () => {
    const port = await startEcho()
    const [url, web] = [`http://127.0.0.1:${port}`, onceNode()]
    const failure = (asked: Promise<unknown>) =>
      asked.then(
        () => 'it was answered',
        ({ code, reason, ran }: RemoteError) => `${code} ${reason} ${ran}`
      )
    expect(await failure(web.post(url, 'nobody', utf8('')))).to.equal('disconnected unknown-device maybe')
    expect(await failure(web.lookUp(url, 'nobody'))).to.equal('disconnected unknown-device no')
    expect(await failure(web.post(url, 'busy', utf8('')))).to.equal('refused busy maybe')
    expect(await failure(web.post(url, 'lamp', new Uint8Array(1_001)))).to.equal('refused too-large maybe')
    expect(await failure(web.post('http://127.0.0.1:1', 'lamp', utf8('')))).to.equal(
      'disconnected unreachable no'
    )
  })

  it('lets no page of another origin in, unless it is told to', async () => {
    const refused = await startEcho()
    expect(await statusOf(refused, 'https://elsewhere.example')).to.equal(403)
    expect(await statusOf(refused, `http://localhost:${refused}`)).to.equal(101)
    expect(await statusOf(await startEcho({ origins: '*' }), 'https://elsewhere.example')).to.equal(101)
    const named = await startEcho({ origins: ['https://elsewhere.example'] })
    expect(await statusOf(named, 'https://elsewhere.example')).to.equal(101)
  })

  it('closes in order, and in time with clients that do not answer', async () => {
    const listener = await HostListener.open(
      { port: 0 },
      { onLink: () => {}, fetch: () => new Response(), visitors: new Visitors() }
    )
    const socket = new WebSocket(`ws://127.0.0.1:${listener.address.port}/remote`)
    await new Promise(resolve => socket.once('open', resolve))
    socket.pause()
    const start = performance.now()
    await listener.close(200)
    expect(performance.now() - start).to.be.within(100, 2_000)
    socket.terminate()
  })
})

function statusOf(port: number, origin: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({
      port,
      path: '/remote',
      headers: {
        origin,
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg=='
      }
    })
    asked.on('upgrade', ({ statusCode }, socket) => {
      socket.destroy()
      resolve(statusCode)
    })
    asked.on('response', response => {
      response.destroy()
      resolve(response.statusCode)
    })
    asked.on('error', reject)
    asked.end()
  })
}
