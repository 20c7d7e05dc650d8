import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { FakeClock } from 'token-server/testing'
import { Client } from '../../lib/doors/node-client'
import { toBase64url } from '../../lib/encoding/base64url'
import { onceBrowser } from '../../lib/transport/browser-once'
import { onceNode } from '../../lib/transport/node-once'
import { failureOf, makeScene, type Scene } from '../helpers/device-and-client'

const STATUSES = [201, 204, 302, 400, 401, 403, 404, 405, 408, 411, 413, 418, 429, 431, 500, 502, 503, 504]

describe('What a client without a connection knows of a request that failed', () => {
  closesWhatItOpened()
  let scene: Scene
  let ran: unknown[]
  let isOnline: boolean
  let posts: number
  /** What the relay does with a request. */
  let carry: (frame: Buffer, response: ServerResponse, jwt: string) => Promise<unknown>
  let url: string
  const hub = (frame: Buffer) => scene.host.hub.once(frame)
  const relay = createServer(
    (request, response) => void serve(request, response).catch(() => response.destroy())
  )

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    // One of the test before may still be on its way.
    if (request.url?.endsWith(scene.hub.deviceId) === false) return void response.destroy()
    const notice = { publicKey: toBase64url(scene.host.publicKey), online: isOnline }
    if (request.method === 'GET') return void response.end(JSON.stringify(notice))
    posts++
    await carry(Buffer.concat(chunks), response, request.headers.authorization?.slice(7) ?? '')
  }

  before(async () => {
    await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(relay.address() as AddressInfo).port}`
  })
  after(() => void relay.close())
  beforeEach(async () => {
    ran = []
    posts = 0
    isOnline = true
    carry = async (frame, response) => response.end(await hub(frame))
    scene = await makeScene({ concurrent: true, handler: ({ payload }) => ran.push(payload) })
    await wait(5)
  })
  afterEach(() => scene.close())

  async function connect(options = {}) {
    const client = scene.another({ once: onceNode(), random: () => 0.01, ...options })
    await client.connect(`${url}?device=${scene.hub.deviceId}`, scene.key)
    return client
  }

  /** The next post comes to nobody. */
  const lose = (meanwhile: (frame: Buffer) => unknown = () => {}) => {
    carry = async (lost, response) => {
      carry = async (frame, answer) => answer.end(await hub(frame))
      await meanwhile(lost)
      response.destroy()
    }
  }

  /** It knows the device's time, so that its next post has the request in it. */
  async function meet(options = {}) {
    const client = await connect(options)
    await client.state()
    posts = 0
    return client
  }

  for (const build of ['Node', 'browsers'] as const)
    for (const when of ['after', 'before'] as const)
      it(`in ${build}: no status tells that it did not run, where the device has it ${when} the answer`, async () => {
        const once = build === 'Node' ? onceNode() : onceBrowser()
        const carried = new Set<string>()
        const clients = await Promise.all(STATUSES.map(status => meet({ once, jwt: String(status) })))
        carry = async (frame, response, jwt) => {
          const isFirst = !carried.has(jwt)
          carried.add(jwt)
          if (when === 'before' && isFirst) await hub(frame)
          response.writeHead(Number(jwt), { location: '/' }).end()
          if (when === 'after' && isFirst) setTimeout(() => void hub(frame), 700)
        }
        const failures = await Promise.all(
          clients.map((client, index) => failureOf(client.send('x', STATUSES[index], { timeout: 600 })))
        )
        for (const [index, status] of STATUSES.entries())
          expect(failures[index]?.ran, `status ${status}`).to.equal('maybe')
        await until(() => [...carried].every(status => ran.includes(Number(status))))
        expect(new Set(ran)).to.have.property('size', ran.length)
      })

  it('what answers with junk, with half an answer or by closing does not tell, either', async () => {
    const client = await meet()
    const answers: ((response: ServerResponse) => unknown)[] = [
      response => response.end('junk'),
      response => response.end(),
      response => response.destroy(),
      response => {
        response.writeHead(200, { 'content-length': 100 }).write('half')
        setTimeout(() => response.destroy(), 20)
      },
      response => response.writeHead(200).write('no end'),
      () => undefined,
      response => (response.socket as Socket).end('HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n'),
      response => (response.socket as Socket).end('junk\r\n\r\n')
    ]
    for (const [index, answer] of answers.entries()) {
      carry = async (frame, response) => {
        await hub(frame)
        answer(response)
      }
      const failure = await failureOf(client.send('x', index, { timeout: 200 }))
      expect(failure.ran, `answer ${index}`).to.equal('maybe')
      client.setEncryption(scene.key)
    }
    expect(ran).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('the reason of the last answer is told, and a status that no other try changes fails at once', async () => {
    const counts = new Map<string, number>()
    /** Each status has a client of its own: a post may come when its request has failed. */
    const failureWith = async (status: number) => {
      carry = async (frame, response) => response.end(await hub(frame))
      const client = await meet({ jwt: String(status) })
      carry = (_, response, jwt) => {
        counts.set(jwt, (counts.get(jwt) ?? 0) + 1)
        return Promise.resolve(response.writeHead(status).end())
      }
      return await failureOf(client.send('x', null, { timeout: 500 }))
    }
    expect(await failureWith(429)).to.include({ code: 'refused', reason: 'busy', ran: 'maybe' })
    expect(counts.get('429')).to.be.above(1)
    expect(await failureWith(504)).to.include({ code: 'timeout', ran: 'maybe' })
    expect(await failureWith(413)).to.include({ code: 'refused', reason: 'too-large', ran: 'maybe' })
    expect(await failureWith(400)).to.include({ code: 'refused', reason: 'malformed', ran: 'maybe' })
    expect([counts.get('413'), counts.get('400')]).to.deep.equal([1, 1])
    expect(await failureWith(503)).to.include({ code: 'disconnected', reason: 'device-offline' })
  })

  it('a request that is not sent, as the device is away, has not run; it is sent as soon as the device is back', async () => {
    isOnline = false
    const client = await connect()
    expect(client.status).to.equal('offline')
    expect(await failureOf(client.send('x', 1))).to.include({
      code: 'disconnected',
      reason: 'device-offline',
      ran: 'no'
    })
    expect(posts).to.equal(0)
    isOnline = true
    expect(await client.send('x', 2)).to.equal(1)
    expect(client.status).to.equal('ready')
  })

  it('a request that the relay says nobody had is asked again, and runs once', async () => {
    const client = await meet()
    let answers = 0
    carry = async (frame, response) => {
      const answer = await hub(frame)
      if (++answers < 4) response.writeHead([503, 404, 429][answers - 1] as number).end()
      else response.end(answer)
    }
    expect(await client.send('x', 1)).to.equal(1)
    expect(ran).to.deep.equal([1])
  })

  it('a refusal of the device says nothing of the try before, which somebody on the way may still hold', async () => {
    const client = await meet()
    let held: Buffer | undefined
    await client.send('x', 0)
    scene.keys.denials.set('x', 'not-allowed')
    carry = async (frame, response) => {
      if (held !== undefined || ran.length === 0) return response.end(await hub(frame))
      held = frame
      return response.writeHead(502).end()
    }
    const failure = await failureOf(client.send('x', 1, { timeout: 400 }))
    expect(failure).to.include({ code: 'refused', reason: 'not-allowed', ran: 'maybe' })
    scene.keys.denials.clear()
    await hub(held as unknown as Buffer)
    await until(() => ran.includes(1))
    expect(await failureOf(client.send('', 1)).then(({ ran: did }) => did)).to.equal('no')
  })

  it('a request that is lost on the way runs, also the first one, as the device has known its client since before', async () => {
    const client = await meet()
    for (let index = 0; index < 3; index++) {
      lose()
      expect(await client.send('x', index)).to.equal(index + 1)
    }
    expect(ran).to.deep.equal([0, 1, 2])
  })

  it('a request that was lost and came again is not run by the lost bytes, when the device has lost its memory of the client', async () => {
    scene.restartDevice({ handler: ({ payload }) => ran.push(payload), memory: { maxClients: 1 } })
    const client = await meet()
    let held: Buffer | undefined
    lose(frame => {
      held = frame
    })
    expect(await client.send('x', 1)).to.equal(1)
    const other = await connect()
    expect(await other.send('x', 2)).to.equal(2)
    expect(scene.host.hub.stats.remembered).to.equal(1)
    await hub(held as unknown as Buffer)
    expect(await client.send('x', 3)).to.equal(3)
    expect(ran).to.deep.equal([1, 2, 3])
  })

  it('a request that left before the device knew its client, or forgot it, may have run: it does not run again', async () => {
    const clock = new FakeClock({ date: Date.now() })
    scene.restartDevice({ handler: ({ payload }) => ran.push(payload), clock, memory: { maxAge: 1_000 } })
    const client = await meet()
    await client.send('x', 0)
    lose(() => clock.elapse(2_000))
    expect(await failureOf(client.send('x', 1))).to.include({ reason: 'forgotten', ran: 'maybe' })
    expect(await client.send('x', 2)).to.equal(2)
    lose()
    expect(await client.send('x', 3)).to.equal(3)
    expect(ran).to.deep.equal([0, 2, 3])
  })

  it('a client that closes or gives up says "no" of nothing that the device has had', async () => {
    const settled = new Map<number, string>()
    const client = await meet()
    const requests = Array.from({ length: 200 }, async (_, index) => {
      const giveUp = new AbortController()
      const answer = client.send('x', index, { signal: giveUp.signal })
      if (index % 4 === 0) giveUp.abort()
      else setTimeout(() => giveUp.abort(), index / 4)
      const failure = await answer.then(
        () => undefined,
        error => error
      )
      settled.set(index, failure?.ran ?? 'yes')
    })
    setTimeout(() => client.close(), 40)
    await Promise.all(requests)
    await wait(100)
    for (const [index, did] of settled)
      if (did === 'no') expect(ran, `request ${index}`).not.to.include(index)
    expect(new Set(settled.values())).to.include('maybe').and.to.include('no')
  })

  it('has it told in time, also by a server that says nothing, and at once after close()', async () => {
    const sockets = new Set<Socket>()
    const answers = [
      '',
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf',
      'HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n'
    ]
    const check = async (text: string) => {
      const mute = createServer()
      mute.on('connection', socket => {
        sockets.add(socket)
        socket.on('error', () => {})
        if (text !== '') socket.once('data', () => socket.write(text))
      })
      await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve))
      onCleanUp(() => mute.close())
      const there = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`
      for (const once of [onceNode({ connectTimeout: 200 }), onceBrowser({ connectTimeout: 200 })]) {
        const client = scene.another({ once })
        const connected = failureOf(client.connect(`${there}?device=${scene.hub.deviceId}`, scene.key))
        expect(await connected).to.include({ code: 'disconnected', ran: 'no' })
        const paired = await failureOf(client.pairByCode(there, 'ABCDE-12345', 'phone'))
        expect(paired).to.include({ code: 'disconnected', ran: 'no' })
      }
      const client = scene.another({ once: onceNode() })
      const connecting = failureOf(client.connect(`${there}?device=${scene.hub.deviceId}`, scene.key))
      client.close()
      expect(await connecting).to.include({ code: 'disconnected', reason: 'closed' })
      expect(client.status).to.equal('closed')
    }
    onCleanUp(() => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.all(answers.map(check))
  })

  it('has it told when a token never comes and the client is closed', async () => {
    const client = scene.another({ once: onceNode(), jwt: () => new Promise(() => {}) })
    const connecting = failureOf(client.connect(`${url}?device=${scene.hub.deviceId}`, scene.key))
    client.close()
    expect(await connecting).to.include({ code: 'disconnected', reason: 'closed' })
  })

  it('is told of an address that is none by the same error, which holds no code', async () => {
    for (const address of ['lamp.example', 'ws://127.0.0.1:1', 'tokens://127.0.0.1:1', '', 'https://']) {
      const failure = await failureOf(new Client().pairByCode(address, 'ABCDE-12345', 'phone'))
      expect(failure).to.include({ name: 'RemoteError', code: 'invalid' })
      expect(JSON.stringify({ ...failure, cause: String(failure.cause) })).not.to.match(/ABCDE|invitations/)
    }
  })
})
