import { until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { fromBase64url } from '../../lib/encoding/base64url'
import { utf8 } from '../../lib/encoding/bytes'
import { ClientHandshake } from '../../lib/sealing/handshake'
import type { Session } from '../../lib/sealing/session'
import { decodeControl, encodeControl } from '../../lib/wire/control'
import { decodeFrame, encodeFrame, type Frame, FrameKind, NO_SESSION } from '../../lib/wire/frame'
import { failureOf, makeScene, type Scene, suite } from '../helpers/device-and-client'

const FIRST = { instance: 'a'.repeat(22), sent: 0, timeout: 1_000 }

describe('R9: what a hostile client sends', () => {
  let scene: Scene
  const before = Object.getOwnPropertyNames(Object.prototype).join()
  afterEach(() => scene.close())

  /** A client that has the key, and keeps to no other rule. */
  async function intrude(first: unknown = FIRST) {
    const link = (await scene.host.dial()) as (typeof scene.host.links)[number]
    const frames: Frame[] = []
    link.onFrame = bytes => frames.push(decodeFrame(bytes) as Frame)
    const next = async () => {
      await until(() => frames.length > 0 || link.isClosed)
      return frames.shift()
    }
    link.send(encodeControl({ do: 'join', device: '' }))
    const welcome = decodeControl((await next()) as Frame)
    if (welcome?.do !== 'welcome') throw new Error('not let in')
    const { device, client } = welcome
    link.send(
      encodeFrame({ kind: FrameKind.ask, device, client, key: '', session: NO_SESSION }, new Uint8Array())
    )
    const handshake = await ClientHandshake.begin(
      suite,
      (await next()) as Frame,
      fromBase64url(welcome.publicKey) as Uint8Array,
      scene.key,
      utf8(typeof first === 'string' ? first : JSON.stringify(first)),
      new Uint8Array(8).fill(7)
    )
    link.send(handshake.start)
    const accept = await next()
    const session: Session | undefined =
      accept?.kind === FrameKind.accept ? (await handshake.finish(accept)).session : undefined
    return {
      link,
      async say(text: string) {
        if (session !== undefined) link.send(await session.seal(utf8(text)))
      },
      async hear() {
        const frame = await next()
        if (frame?.kind !== FrameKind.sealed || session === undefined) return frame?.kind
        return JSON.parse(new TextDecoder().decode(await session.open(frame)))
      }
    }
  }

  it('as names of events changes nothing but what its handler sees', async () => {
    const seen: unknown[] = []
    scene = await makeScene({
      handlers: { on: () => 1 },
      handler: ({ event, payload }) => {
        seen.push(event)
        return payload
      }
    })
    for (const event of [
      '__proto__',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'toString',
      '\u0000',
      '../..'
    ])
      expect(await scene.client.send(event, 1)).to.equal(1)
    expect(seen).to.have.length(7)
    expect(Object.getOwnPropertyNames(Object.prototype).join()).to.equal(before)
  })

  it('as payloads pollutes nothing, on either side', async () => {
    scene = await makeScene({
      handler: ({ payload }) => {
        const copy = { ...(payload as object) }
        expect((copy as { isAdmin?: unknown }).isAdmin).to.equal(undefined)
        return payload
      }
    })
    const intruder = await intrude()
    await intruder.say(
      '[["req",1,"a",{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}]]'
    )
    const [[kind, number]] = await intruder.hear()
    expect([kind, number]).to.deep.equal(['res', 1])
    expect(({} as { isAdmin?: unknown }).isAdmin).to.equal(undefined)
    await intruder.say('[["req",2,"a",null,{"__proto__":{"ifRev":1}}],["__proto__",1],["constructor",2]]')
    expect((await intruder.hear())[0].slice(0, 2)).to.deep.equal(['res', 2])
    await intruder.say('[["ask",3,"__proto__",null],["ask",4,"constructor",null]]')
    expect(
      (await intruder.hear()).map(([, , failure]: [0, 0, { reason: string }]) => failure.reason)
    ).to.deep.equal(['unknown-event', 'unknown-event'])
    expect(Object.getOwnPropertyNames(Object.prototype).join()).to.equal(before)
  })

  it('nested 64 deep is taken, deeper is refused before it leaves, and cuts off who sends it all the same', async () => {
    scene = await makeScene({ handler: ({ payload }) => payload })
    const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    expect(JSON.stringify(await scene.client.send('a', nested(64)))).to.have.length(128)
    expect(await failureOf(scene.client.send('a', nested(65)))).to.include({ code: 'invalid', ran: 'no' })
    for (const depth of [65, 100_000]) {
      const intruder = await intrude()
      await intruder.say(`[["req",1,"a",${'['.repeat(depth)}${']'.repeat(depth)}]]`)
      await until(() => intruder.link.isClosed)
    }
    expect(await scene.client.send('a', 1)).to.equal(1)
  })

  it('nested too deep in an answer is told to the client, who keeps the connection', async () => {
    scene = await makeScene({
      handler: ({ event }) => (event === 'deep' ? JSON.parse(`${'['.repeat(65)}${']'.repeat(65)}`) : 'fine')
    })
    const error = await failureOf(scene.client.send('deep'))
    expect(error).to.include({ code: 'handler-failed', reason: 'answer-too-deep', ran: 'yes' })
    expect(await scene.client.send('flat')).to.equal('fine')
  })

  it('that is no message is ignored, or closes its connection, and runs nothing', async () => {
    let ran = 0
    scene = await makeScene({ handler: () => ++ran })
    const ignored = [
      '[]',
      '[["req"]]',
      '[["req",0,"a",1]]',
      '[["req",-1,"a",1]]',
      '[["req",1.5,"a",1]]',
      '[["req","1","a",1]]',
      '[["req",null,"a",1]]',
      '[["cancel"],["cancel",{}],["ack"],["ack","x"],["ack",-5],["nonsense"]]'
    ]
    const intruder = await intrude()
    for (const text of ignored) await intruder.say(text)
    await intruder.say('[["req",1,7,1],["req",2,"",1],["req",3,{"a":1},1],["ping"]]')
    const heard = await intruder.hear()
    expect(heard.map(([kind]: [string]) => kind)).to.deep.equal(['err', 'err', 'err', 'pong'])
    expect(ran).to.equal(0)
    for (const text of ['{}', 'null', '[1]', '[[1]]', '[{}]', '[', '"x"', '', '\u0000']) {
      const another = await intrude()
      await another.say(text)
      await until(() => another.link.isClosed)
    }
    expect(ran).to.equal(0)
  })

  it('of itself must be something, or there is no session', async () => {
    scene = await makeScene({ handler: () => 1 })
    for (const first of [
      'no JSON',
      null,
      [],
      {},
      { ...FIRST, instance: 7 },
      { ...FIRST, instance: '__proto__' },
      { ...FIRST, sent: -1 },
      { ...FIRST, sent: 1.5 }
    ]) {
      const { link } = await intrude(first)
      await until(() => link.isClosed)
    }
    expect(scene.hub.stats.remembered).to.equal(1)
  })
})
