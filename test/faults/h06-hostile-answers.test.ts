import { once } from 'node:events'
import { expect } from 'chai'
import type { Connection, TokenError, TokenServer, TokenServerOptions } from '../../lib'
import { closeCodeNumber } from '../../lib/errors/close-codes'
import { type ControlFrame, encodeControl } from '../../lib/wire/control-frame'
import { FEATURE_ACK, FEATURE_END, FEATURE_HANDLER, FEATURE_PART } from '../../lib/wire/hello'
import { frame, pattern } from '../helpers/bytes'
import { certificates } from '../helpers/certificates'
import { leastGrowth, memory } from '../helpers/fault-program'
import { figures, isLong, MIB } from '../helpers/figures'
import { HandClient } from '../helpers/hand-client'
import { closesWhatItOpened, portOf, startServer, until } from '../helpers/loopback'
import { close, OPAQUE } from '../helpers/token-2'

const FEATURES = FEATURE_ACK | FEATURE_END | FEATURE_PART | FEATURE_HANDLER
const MAX_TOKEN_LENGTH = 100_000

const REQUEST: ControlFrame = { type: 'request' }
const PART: ControlFrame = { type: 'part' }
const ABORT: ControlFrame = { type: 'abort' }
const END: ControlFrame = { type: 'end' }
const PING: ControlFrame = { type: 'ping', opaque: OPAQUE }
const answer = (to: number): ControlFrame => ({ type: 'answer', to })
const failed = (to: number): ControlFrame => ({ type: 'failed', to, code: 1, reason: '' })
const answered = (count: number): ControlFrame => ({ type: 'answered', count })
const begun = (count: number): ControlFrame => ({ type: 'begun', count })
const ack = (handed: number): ControlFrame => ({ type: 'ack', handed })
const part = Buffer.concat([encodeControl(PART), frame(pattern(16_384))])

type What = ControlFrame | string | Buffer

/** The head of a data frame whose bytes do not come. */
function head(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

/**
 * What no peer may say to a server that has sent token 1 by `send()`, 2 by `deliver()`, and 3 and 4 by `request()`.
 */
const ATTACKS: Record<string, What[]> = {
  'ANSWER to a token that was never sent': [answer(5), 'x'],
  'ANSWER to token 0': [answer(0), 'x'],
  'ANSWER to the largest number': [answer(Number.MAX_SAFE_INTEGER), 'x'],
  'ANSWER to a token that was only sent': [answer(1), 'x'],
  'ANSWER to a token that was delivered': [answer(2), 'x'],
  'ANSWER twice': [answer(3), 'x', answer(3), 'y'],
  'ANSWER behind FAILED': [failed(3), answer(3), 'x'],
  'FAILED behind ANSWER': [answer(3), 'x', failed(3)],
  'FAILED twice': [failed(2), failed(2)],
  'FAILED of a token that was never sent': [failed(5)],
  'FAILED of token 0': [failed(0)],
  'FAILED of an acknowledged token': [ack(2), failed(1)],
  'ANSWER to an acknowledged token': [ack(3), answer(3), 'x'],
  'ANSWERED of an answer that was never written': [answered(1)],
  'BEGUN above the tokens sent': [begun(5), close(0, 0)],
  'BEGUN below the count of CLOSE': [begun(1), close(0, 2)],
  'BEGUN below an earlier ACK': [ack(2), begun(1)],
  'REQUEST before END': [REQUEST, END],
  'REQUEST before CLOSE': [REQUEST, close()],
  'REQUEST before REQUEST': [REQUEST, REQUEST, 'x'],
  'REQUEST before ABORT': [REQUEST, ABORT],
  'REQUEST before PING': [REQUEST, PING, 'x'],
  'REQUEST before ACK': [REQUEST, ack(1), 'x'],
  'REQUEST before ANSWER': [REQUEST, answer(3), 'x', 'x'],
  'REQUEST before FAILED': [REQUEST, failed(3), 'x'],
  'REQUEST behind PART': [PART, REQUEST, frame(pattern(16_384))],
  'REQUEST between two parts': [part, REQUEST, 'x'],
  'REQUEST behind END': [END, REQUEST, 'x'],
  'ANSWER without its data frame': [answer(3), PING],
  'ANSWER before ANSWER': [answer(3), answer(4), 'x', 'x'],
  'ANSWER before REQUEST': [answer(3), REQUEST, 'x'],
  'ANSWER before PART': [answer(3), PART, frame(pattern(16_384)), 'x'],
  'ANSWER before ABORT': [answer(3), ABORT],
  'ANSWER before CLOSE': [answer(3), close()],
  'ANSWER before END': [answer(3), END],
  'ANSWER before ACK': [answer(3), ack(1)],
  'ANSWER between PART and its data frame': [PART, answer(3), 'x', frame(pattern(16_384))]
}

describe('H6 a peer that answers what it was never asked', () => {
  closesWhatItOpened()

  interface Scene {
    readonly server: TokenServer
    readonly peer: HandClient
    readonly connection: Connection
    readonly fates: string[]
    /** The first error of a connection. */
    readonly broken: Promise<TokenError>
  }

  /** A server, and a peer written by hand that was sent four tokens. */
  async function begin(
    features = FEATURES,
    options: TokenServerOptions = {},
    onConnection: (connection: Connection) => void = () => {}
  ): Promise<Scene> {
    const { ca, client } = await certificates()
    const { server } = await startServer({ maxTokenLength: MAX_TOKEN_LENGTH, heartbeat: 0, ...options })
    const accepted = once(server, 'connection')
    const broken = once(server, 'connectionError').then(([error]) => error as TokenError)
    server.on('connection', onConnection)
    const peer = await HandClient.dial(portOf(server), client, ca)
    await peer.greet(null, { features })
    const [connection] = (await accepted) as [Connection]
    const fates: string[] = []
    const note = (name: string, promise: Promise<unknown>) =>
      promise.then(
        value => fates.push(`${name} ${value === undefined ? 'done' : value}`),
        (error: TokenError) => fates.push(`${name} ${error.code}`)
      )
    connection.send(Buffer.from('1'))
    void note('2', connection.deliver(Buffer.from('2')))
    if ((features & FEATURE_HANDLER) !== 0)
      for (const name of ['3', '4']) void note(name, connection.request(Buffer.from(name)))
    const count = (features & FEATURE_HANDLER) !== 0 ? 4 : 2
    await peer.has(read => read.filter(Buffer.isBuffer).length === count)
    return { server, peer, connection, fates, broken }
  }

  for (const [what, frames] of Object.entries(ATTACKS)) {
    it(`H6 ${what} ends with protocol-error, and every promise settles`, async () => {
      const { server, peer, connection, fates, broken } = await begin()
      connection.on('token', () => {})
      peer.say(...frames)
      const error = await broken
      expect([error.code, error.closeCode]).to.deep.equal(['ERR_PROTOCOL', 'protocol-error'])
      await connection.closed
      await until(() => fates.length === 3)
      expect(server.connections.size).to.equal(0)
      await peer.has(read => read.some(one => !Buffer.isBuffer(one) && one.type === 'close'))
      expect(peer.read.at(-1)).to.include({ type: 'close', code: closeCodeNumber('protocol-error') })
    })
  }

  for (const [what, back] of [
    ['above what was written', 3],
    ['going back', 1]
  ] as const) {
    it(`H6 ANSWERED ${what} ends with protocol-error`, async () => {
      const { peer, broken } = await begin(FEATURES, {}, connection => connection.handle(token => token))
      peer.say(REQUEST, 'a', REQUEST, 'b')
      await peer.has(read => read.filter(one => !Buffer.isBuffer(one) && one.type === 'answer').length === 2)
      peer.say(answered(2), answered(back))
      expect((await broken).closeCode).to.equal('protocol-error')
    })
  }

  it('H6 an answer longer than maxTokenLength is refused at its head with too-large', async () => {
    const { peer, fates, broken } = await begin()
    peer.say(answer(3), head(MAX_TOKEN_LENGTH + 1))
    expect((await broken).code).to.equal('ERR_TOKEN_TOO_LARGE')
    await until(() => fates.length === 3)
    expect(fates.sort()).to.deep.equal(['2 ERR_FATE_UNKNOWN', '3 ERR_FATE_UNKNOWN', '4 ERR_FATE_UNKNOWN'])
  })

  for (const [what, frames] of Object.entries<What[]>({
    REQUEST: [REQUEST, 'x'],
    ANSWER: [answer(1), 'x'],
    FAILED: [failed(1)],
    ANSWERED: [answered(0)],
    BEGUN: [begun(0)]
  })) {
    it(`H6 ${what} of a peer without the bit HANDLER ends with protocol-error`, async () => {
      const { peer, broken } = await begin(FEATURES & ~FEATURE_HANDLER)
      peer.say(...frames)
      expect((await broken).closeCode).to.equal('protocol-error')
    })
  }

  it('H6 what is allowed beside it: answers in any order, between parts, empty ones, FAILED of tokens that ask for nothing', async () => {
    const { peer, fates, connection } = await begin()
    const tokens: number[] = []
    connection.on('token', token => tokens.push(token.length))
    peer.say(part, answer(4), '', failed(1), part, answer(3), 'three', failed(2), 'end', answered(0))
    await until(() => fates.length === 3 && tokens.length === 1)
    expect([fates.sort(), tokens]).to.deep.equal([['2 ERR_HANDLER_FAILED', '3 three', '4 '], [32_771]])
    peer.say(ack(4), begun(4), close(0, 4))
    expect((await connection.closed).hadError).to.equal(false)
  })

  describe('and says very little, very often', () => {
    const FRAMES = isLong ? 1_000_000 : 200_000
    const MOST = 48 * MIB

    /** Says `frames` over and over, and resolves when the server has read all of it. */
    async function flood({ peer, connection }: Scene, frames: What[], times: number): Promise<void> {
      const piece = Buffer.concat(
        frames.map(one =>
          typeof one === 'string' ? frame(one) : Buffer.isBuffer(one) ? one : encodeControl(one)
        )
      )
      const many = Buffer.concat(Array(1000).fill(piece))
      for (let said = 0; said < times && !peer.socket.destroyed; said += 1000) {
        if (!peer.socket.write(many)) await Promise.race([once(peer.socket, 'drain'), connection.closed])
      }
    }

    for (const [what, frames] of Object.entries<What[]>({
      ANSWERED: [answered(0)],
      BEGUN: [begun(0)],
      'FAILED of a token that nobody has a promise of': [failed(1)]
    })) {
      it(`H6 ${FRAMES} of ${what} grow nothing`, async function () {
        this.timeout(120_000)
        const scene = await begin()
        await flood(scene, frames, 10_000)
        let pongs = 0
        const grown = await leastGrowth(async () => {
          await flood(scene, frames, FRAMES / 4)
          // A PONG says that all before PING was read.
          scene.peer.say(PING)
          pongs++
          await scene.peer.has(
            read => read.filter(one => !Buffer.isBuffer(one) && one.type === 'pong').length === pongs
          )
        })
        figures(`${(grown / MIB).toFixed(1)} MiB`)
        expect(scene.connection.isOpen).to.equal(true)
        expect(grown).to.be.below(2 * MIB)
      })
    }

    for (const [what, take] of Object.entries<(connection: Connection) => void>({
      'a listener': connection => void connection.on('token', () => {}),
      ...(isLong && {
        'a handler that throws': connection =>
          connection.handle(() => {
            throw new Error('no')
          })
      }),
      'a handler that answers': connection => connection.handle(() => Buffer.from('answer')),
      'a handler that never does, a thousand at once': connection =>
        connection.handle(() => new Promise<void>(() => {}), { concurrency: 1000 })
    })) {
      it(`H6 700,000 empty requests to ${what}, from a peer that does not read, take at most ${MOST / MIB} MiB`, async function () {
        this.timeout(120_000)
        const scene = await begin(FEATURES, { writeTimeout: 600_000 }, take)
        scene.peer.socket.pause()
        const before = memory().used
        // More than its credit: who does not read WINDOW may know better.
        await flood(scene, [REQUEST, ''], 700_000)
        await until(() => scene.connection.tokensReceived + scene.connection.unreadBytes > 0)
        // Real time: the kernel takes what it has room for, and tells nobody when it is full.
        let last = -1
        const progress = () => scene.connection.tokensReceived + scene.connection.unreadBytes
        while (last !== progress()) {
          last = progress()
          await new Promise(resolve => setTimeout(resolve, 200))
        }
        const grown = memory().used - before
        figures(
          `${(grown / MIB).toFixed(1)} MiB, ${scene.connection.tokensReceived} taken, ${scene.connection.unreadBytes} bytes wait`
        )
        expect(grown).to.be.below(MOST)
        scene.peer.socket.resume()
      })
    }
  })
})
