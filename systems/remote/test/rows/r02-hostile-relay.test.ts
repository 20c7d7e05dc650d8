import { closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { toBase64url } from '../../lib/encoding/base64url'
import { RemoteError } from '../../lib/errors/remote-error'
import { decodeControl, encodeControl } from '../../lib/wire/control'
import { encodeFrame, type Frame, FrameKind } from '../../lib/wire/frame'
import { Chance, flipped } from '../helpers/chance'
import { type Attack, HostileRelay, type Towards } from '../helpers/hostile-relay'
import { suite } from '../helpers/sealed-pair'

const REQUESTS = isLong ? 1_000 : 24
const CLIENTS = 2

const chance = new Chance()
const sometimes = () => chance.below(4) === 0
const isSealed = ({ kind }: Frame) => kind === FrameKind.sealed
const isOfHandshake = ({ kind }: Frame) =>
  kind === FrameKind.hello || kind === FrameKind.start || kind === FrameKind.accept
const withBody = (frame: Frame, body: Uint8Array) => encodeFrame(frame, body)

/** Each of them can be noticed by the ends; a relay that only listens can't. */
const attacks: Record<string, () => Attack> = {
  'alters sealed frames': () => (bytes, _, __, frame) =>
    isSealed(frame) && sometimes() ? flipped(bytes, chance.below(bytes.length * 8)) : bytes,

  'truncates sealed frames': () => (bytes, _, __, frame) =>
    isSealed(frame) && sometimes()
      ? bytes.slice(0, bytes.length - 1 - chance.below(frame.body.length))
      : bytes,

  'repeats sealed frames': () => (bytes, towards, relay, frame) => {
    if (isSealed(frame) && sometimes()) relay.inject(bytes, towards)
    return bytes
  },

  'moves a frame behind the next one': () => {
    const held = new Map<Towards, Uint8Array>()
    return (bytes, towards, relay, frame) => {
      const before = held.get(towards)
      if (before !== undefined) {
        held.delete(towards)
        relay.inject(before, towards)
        return bytes
      }
      if (!(isSealed(frame) && sometimes())) return bytes
      held.set(towards, bytes)
      return undefined
    }
  },

  'leaves frames out': () => (bytes, _, __, frame) => (isSealed(frame) && sometimes() ? undefined : bytes),

  'sends frames of earlier sessions': () => {
    const recorded = new Map<Towards, Uint8Array[]>()
    return (bytes, towards, relay, frame) => {
      const old = recorded.get(towards) ?? []
      recorded.set(towards, old)
      if (old.length > 0 && sometimes()) relay.inject(chance.of(old), towards)
      if (isSealed(frame) || isOfHandshake(frame)) old.push(bytes)
      if (typeof towards === 'number' && chance.below(20) === 0) relay.cut(towards)
      return bytes
    }
  },

  'sends frames back to whom they come from': () => (bytes, towards, relay, frame) => {
    if (!isSealed(frame) || !sometimes()) return bytes
    if (towards === 'device') for (let client = 0; client < CLIENTS; client++) relay.inject(bytes, client)
    else relay.inject(bytes, 'device')
    return undefined
  },

  'gives a client what is for another': () => {
    const ids: string[] = []
    return (bytes, towards, relay, frame) => {
      if (!isSealed(frame)) return bytes
      if (typeof towards === 'number') {
        ids[towards] = frame.client
        const other = (towards + 1) % CLIENTS
        if (!sometimes()) return bytes
        relay.inject(bytes, other)
        relay.inject(encodeFrame({ ...frame, client: ids[other] ?? '' }, frame.body), other)
        return undefined
      }
      const other = ids.find(id => id !== undefined && id !== frame.client)
      if (other === undefined || !sometimes()) return bytes
      return encodeFrame({ ...frame, client: other }, frame.body)
    }
  },

  'puts its own keys into handshakes': () => (bytes, towards, relay, frame) => {
    if (typeof towards === 'number' && chance.below(20) === 0) relay.cut(towards)
    const message = decodeControl(frame)
    if (message?.do === 'welcome' && sometimes())
      return encodeControl({ ...message, publicKey: toBase64url(ownKeys.publicKey) })
    if (frame.kind === FrameKind.hello && sometimes()) return withBody(frame, ownKeys.publicKey)
    return bytes
  },

  'alters handshakes': () => (bytes, towards, relay, frame) => {
    if (typeof towards === 'number' && chance.below(20) === 0) relay.cut(towards)
    return isOfHandshake(frame) && sometimes() ? flipped(bytes, chance.below(bytes.length * 8)) : bytes
  },

  'says that a session is forgotten, or a key refused': () => (bytes, towards, relay, frame) => {
    const kind = chance.of([FrameKind.forgotten, FrameKind.refuse])
    if (isSealed(frame) && sometimes())
      relay.inject(encodeFrame({ ...frame, kind }, new Uint8Array()), towards)
    return bytes
  }
}

let ownKeys: { publicKey: Uint8Array }

describe('R2: a relay that', function () {
  this.timeout(isLong ? 3_600_000 : 60_000)
  closesWhatItOpened()

  before(async () => {
    const { publicKey } = await suite.GenerateKeyPair()
    ownKeys = { publicKey: await suite.SerializePublicKey(publicKey) }
  })

  for (const [what, attackOf] of Object.entries(attacks))
    it(`${what} gets nothing done twice, changed or mixed up, and one of the ends notices`, async () => {
      const ran: string[] = []
      const relay = await HostileRelay.start(CLIENTS, payload => {
        ran.push(payload as string)
        return `${payload} done`
      })
      onCleanUp(() => relay.stop())
      const startsBefore = relay.starts
      relay.attack = attackOf()
      const asked: string[] = []
      let failures = 0
      // A cut alone costs a handshake and what was under way; neither shows that an alteration was noticed.
      const isNoticed = () =>
        relay.starts > startsBefore + relay.cuts || failures > 0 || relay.complaints.length > 0
      // One frame of a session that is over is thrown away, and nobody needs to do anything: it goes on until one matters.
      const isOver = (round: number) =>
        round >= REQUESTS && ((relay.touched > 0 && isNoticed()) || round > 100 * REQUESTS)
      for (let round = 0; !isOver(round); round += 4) {
        await Promise.all(
          [0, 1, 2, 3].map(async index => {
            const payload = `${round + index} of ${index % CLIENTS}`
            asked.push(payload)
            try {
              const answer = await relay.clients[index % CLIENTS]?.send('work', payload)
              expect(answer, `seed ${chance.seed}`).to.equal(`${payload} done`)
            } catch (error) {
              if (!(error instanceof RemoteError)) throw error
              expect(error.code, `seed ${chance.seed}`).to.be.oneOf([
                'timeout',
                'disconnected',
                'bad-key',
                'refused'
              ])
              if (relay.cuts === 0 || error.code !== 'disconnected') failures++
            }
          })
        )
      }
      const done = ran.filter(payload => !payload.startsWith('begin'))
      expect(new Set(done).size, `run twice, seed ${chance.seed}`).to.equal(done.length)
      expect(asked, `seed ${chance.seed}`).to.include.members(done)
      expect(relay.touched, `it was attempted, seed ${chance.seed}`).to.be.above(0)
      expect(isNoticed(), `it was noticed, seed ${chance.seed}`).to.equal(true)
      relay.attack = undefined
      for (const client of relay.clients) await sendAfter(client)
    })
})

/** Once the relay lets everything pass, the client gets through again. */
async function sendAfter(client: HostileRelay['clients'][number]): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      expect(await client.send('work', `after ${tries}`)).to.equal(`after ${tries} done`)
      return
    } catch (error) {
      if (tries > 50) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
}
