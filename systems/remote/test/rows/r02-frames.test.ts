import { isLong } from '@token-server/test-helpers'
import { expect } from 'chai'
import { textOf, utf8 } from '../../lib/encoding/bytes'
import { randomBytes } from '../../lib/encoding/random-id'
import { ClientHandshake, DeviceHandshake } from '../../lib/sealing/handshake'
import type { Session } from '../../lib/sealing/session'
import { decodeFrame } from '../../lib/wire/frame'
import { Chance, flipped, isSame } from '../helpers/chance'
import {
  frameOf,
  refused,
  type SealedPair,
  sealedPair,
  sharedKey,
  suite,
  testDevice
} from '../helpers/sealed-pair'

const MUTATIONS = isLong ? 100_000 : 3000

/** Where it stands in every plain text: no frame may hold it. */
const CANARY = 'canary-5e1f'

describe('R2: a relay that changes sealed frames', function () {
  this.timeout(600_000)

  it(`has none of ${MUTATIONS} taken, and the next frame that it leaves alone is opened`, async () => {
    const chance = new Chance()
    const [key, device] = [sharedKey(), await testDevice()]
    const [pair, neighbour, old] = await Promise.all([
      sealedPair({ key, device, client: 'c1' }),
      sealedPair({ key, device, client: 'c2' }),
      sealedPair({ key, device, client: 'c1' })
    ])
    const recorded = await record(old)
    const others = await record(neighbour)
    const counts = new Map<string, number>()
    const directions = [
      new Direction(pair.client, pair.device),
      new Direction(pair.device, pair.client)
    ] as const
    for (let count = 0; count < MUTATIONS; ) {
      const way = chance.of(directions)
      const good = await way.next(count)
      for (let tries = chance.below(6); tries >= 0 && count < MUTATIONS; tries--, count++) {
        const [what, bytes] = await mutation(chance, way, directions, recorded, others, good)
        counts.set(what, (counts.get(what) ?? 0) + 1)
        const frame = decodeFrame(bytes)
        const taken = frame === undefined ? false : !(await refused(way.to.open(frame)))
        if (taken) throw new Error(`${what} was taken, SEED=${chance.seed}`)
      }
      expect(textOf(await way.to.open(frameOf(good)))).to.include(CANARY)
      way.sent.push(good)
    }
    console.log(`        0 taken: ${[...counts].map(([what, count]) => `${count} ${what}`).join(', ')}`)
    expect([...counts.keys()].sort()).to.deep.equal(
      ['changed', 'headed anew', "of a neighbour's", 'of before', 'reflected', 'repeated', 'too early'].sort()
    )
    const clear = Buffer.concat(directions.flatMap(({ sent }) => sent.slice(-1000)))
    expect([clear.includes(CANARY), clear.includes(Buffer.from(key.psk))]).to.deep.equal([false, false])
  })

  it('has no session begun with any bit of a handshake changed', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const begin = async (change: { hello?: number; start?: number; accept?: number }) => {
      const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
      const changed = (bytes: Uint8Array, bit: number | undefined) => {
        const frame = decodeFrame(bit === undefined ? bytes : flipped(bytes, bit))
        if (frame === undefined) throw new Error('no frame')
        return frame
      }
      const hello = changed(theirs.hello(), change.hello)
      const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
      const accepted = await theirs.open(changed(own.start, change.start), () => key)
      const accept = await accepted.accept(utf8('y'))
      await own.finish(changed(accept, change.accept))
      return { hello: theirs.hello().length, start: own.start.length, accept: accept.length }
    }
    const lengths = await begin({})
    for (const part of ['hello', 'start', 'accept'] as const)
      for (let byte = 0; byte < lengths[part]; byte += isLong ? 1 : 3) {
        const bit = byte * 8 + (byte % 8)
        expect(await refused(begin({ [part]: bit })), `bit ${bit} of ${part}`).to.equal(true)
      }
  })

  it('has a replayed handshake refused, by the same device handshake, another one, and after a restart', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
    const start = frameOf(own.start)
    const both = await Promise.allSettled([theirs.open(start, () => key), theirs.open(start, () => key)])
    expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
    expect(await refused(theirs.open(start, () => key))).to.equal(true)
    const raw = await suite.SerializePrivateKey(device.keys.privateKey)
    const privateKey = await suite.DeserializePrivateKey(raw, true)
    const again = { privateKey, publicKey: device.keys.publicKey }
    for (const keys of [device.keys, again]) {
      const later = await DeviceHandshake.create(suite, keys, device.id, 'c1')
      expect(await refused(later.open(start, () => key))).to.equal(true)
    }
  })

  it('has an accept frame counted once', async () => {
    const [key, device] = [sharedKey(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, device.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const own = await ClientHandshake.begin(suite, hello, device.publicKey, key, utf8('x'), randomBytes(8))
    const { accept } = await theirs.open(frameOf(own.start), () => key)
    const frame = frameOf(await accept(utf8('y')))
    const both = await Promise.allSettled([own.finish(frame), own.finish(frame)])
    expect(both.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected'])
    expect(await refused(own.finish(frame))).to.equal(true)
  })

  it('that drops a frame is noticed: nothing after it is opened', async () => {
    const { client, device } = await sealedPair()
    await client.seal(utf8('dropped'))
    for (let count = 0; count < 20; count++)
      expect(await refused(device.open(frameOf(await client.seal(utf8('later')))))).to.equal(true)
  })

  it('that knows the shared key, but not the private key of the device, can not be the device', async () => {
    const [key, device, liar] = [sharedKey(), await testDevice(), await testDevice()]
    const theirs = await DeviceHandshake.create(suite, liar.keys, device.id, 'c1')
    const hello = frameOf(theirs.hello())
    const begin = (publicKey: Uint8Array) =>
      ClientHandshake.begin(suite, hello, publicKey, key, utf8('x'), randomBytes(8))
    expect(await refused(begin(liar.publicKey))).to.equal(true)
    const own = await begin(device.publicKey)
    expect(await refused(theirs.open(frameOf(own.start), () => key))).to.equal(true)
  })
})

/** One way of a session. */
class Direction {
  readonly from: Session
  readonly to: Session
  readonly sent: Uint8Array[] = []
  #waiting: Uint8Array | undefined

  constructor(from: Session, to: Session) {
    this.from = from
    this.to = to
  }

  async next(count: number): Promise<Uint8Array> {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting ?? (await this.from.seal(utf8(`${CANARY} ${count}`)))
  }

  /** The one after the next. */
  async early(): Promise<Uint8Array> {
    this.#waiting ??= await this.from.seal(utf8(`${CANARY} early`))
    return this.#waiting
  }
}

/** What can be recorded of a session, both ways. */
async function record({ client, device, frames }: SealedPair): Promise<readonly Uint8Array[]> {
  const all = [frames.hello, frames.start, frames.accept]
  for (let count = 0; count < 50; count++)
    all.push(await client.seal(utf8(`${CANARY} ${count}`)), await device.seal(utf8(`${CANARY} ${count}`)))
  return all
}

async function mutation(
  chance: Chance,
  way: Direction,
  ways: readonly [Direction, Direction],
  recorded: readonly Uint8Array[],
  others: readonly Uint8Array[],
  good: Uint8Array
): Promise<[what: string, bytes: Uint8Array]> {
  const back = way === ways[0] ? ways[1] : ways[0]
  const changed = (): [string, Uint8Array] => {
    const bytes = chance.mutated(good)
    return ['changed', isSame(bytes, good) ? flipped(good, chance.below(good.length * 8)) : bytes]
  }
  switch (chance.below(8)) {
    case 0:
      return ['too early', await way.early()]
    case 1:
      return way.sent.length === 0 ? changed() : ['repeated', chance.of(way.sent)]
    case 2:
      return ['of before', chance.of(recorded)]
    case 3:
      return ["of a neighbour's", chance.of(others)]
    case 4:
      return back.sent.length === 0 ? changed() : ['reflected', chance.of(back.sent)]
    case 5: {
      const other = frameOf(chance.of([...recorded, ...others, ...back.sent.slice(-20)]))
      return ['headed anew', Buffer.concat([frameOf(good).aad, other.body])]
    }
    default:
      return changed()
  }
}
