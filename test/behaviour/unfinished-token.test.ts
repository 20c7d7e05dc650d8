import { expect } from 'chai'
import type { Connection, ConnectionOptions, IncomingToken } from '../../lib'
import type { FakeClock } from '../../lib/testing'
import { type ControlFrame, encodeControl } from '../../lib/wire/control-frame'
import { MIN_PART_LENGTH } from '../../lib/wire/header'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART } from '../../lib/wire/hello'
import { bytes, frame, pattern } from '../helpers/bytes'
import { usesFakeClock } from '../helpers/fake-clock'
import { settled } from '../helpers/moments'
import { connectionAndPeer, destroyPairs } from '../helpers/pairs'
import { encode, whole } from '../helpers/parts'
import { type BarePeer, destroyTransports, greeted, OPAQUE } from '../helpers/token-2'

const FEATURES = FEATURE_ACK | FEATURE_END | FEATURE_PART

function listen(connection: Connection): void {
  connection.on('token', () => {})
  connection.on('error', () => {})
}

/** The codes of the CLOSE frames that the peer has read. */
function closes(peer: BarePeer): unknown[] {
  return peer.frames().flatMap(one => (typeof one === 'object' && one.type === 'close' ? [one.code] : []))
}

describe('A token that is not whole', () => {
  let clock: FakeClock

  afterEach(async () => {
    await destroyTransports()
    await destroyPairs()
  })

  usesFakeClock(made => {
    clock = made
  })

  describe('that does not go on', () => {
    const PART = encodeControl({ type: 'part' })
    const part = () => Buffer.concat([PART, frame(Buffer.alloc(MIN_PART_LENGTH))])

    const begun: Record<string, Buffer> = {
      'behind its first PART': PART,
      'in the head of its first part': part().subarray(0, 7),
      'in its first part': part().subarray(0, 500),
      'between two parts': part(),
      'behind its second PART': Buffer.concat([part(), PART]),
      'in its last frame': Buffer.concat([part(), frame('the end').subarray(0, 5)])
    }
    const GOES_ON: Record<string, () => ControlFrame | Buffer> = {
      nothing: () => Buffer.alloc(0),
      PING: () => ({ type: 'ping', opaque: OPAQUE }),
      PONG: () => ({ type: 'pong', opaque: OPAQUE }),
      WINDOW: () => ({ type: 'window', granted: 0 }),
      'unknown frames': () => Buffer.concat([bytes('80 00 04 00 0f'), Buffer.alloc(1023)])
    }

    async function open(options: ConnectionOptions = {}): Promise<BarePeer> {
      const peer = await greeted('server', { frameTimeout: 1000, ...options }, undefined, {
        features: FEATURES
      })
      listen(peer.connection)
      return peer
    }

    for (const [where, start] of Object.entries(begun)) {
      const isBetween = where === 'between two parts'
      for (const [what, next] of Object.entries(GOES_ON)) {
        if (what !== 'nothing' && !isBetween) continue
        it(`is cut by frameTimeout ${where}, when ${what} follows`, async () => {
          const peer = await open()
          await peer.say(start)
          for (let i = 0; i < 9; i++) {
            await clock.elapse(100)
            await peer.say(...Array(20).fill(next()))
          }
          expect(closes(peer)).to.deep.equal([])
          await clock.elapse(100)
          await settled()
          expect(closes(peer)).to.deep.equal([0x0103])
        })
      }
    }

    it('is borne as long as a part of it comes in each frameTimeout, and no longer', async () => {
      const peer = await open()
      for (let i = 0; i < 20; i++) {
        await peer.say(part())
        await clock.elapse(900)
      }
      expect(closes(peer)).to.deep.equal([])
      await clock.elapse(1100)
      await settled()
      expect(closes(peer)).to.deep.equal([0x0103])
    })

    it('is not cut by frameTimeout any more when it is complete or aborted', async () => {
      const peer = await open()
      await peer.say(part(), 'the end')
      await clock.elapse(5000)
      await peer.say(part(), { type: 'abort' })
      await clock.elapse(5000)
      expect(closes(peer)).to.deep.equal([])
    })

    it('is waited for while the peer has no credit for its next part, and cut when it has some again', async () => {
      const peer = await greeted('server', { frameTimeout: 1000, receiveWindow: 65_536 }, undefined, {
        features: FEATURES
      })
      const tokens = peer.connection.incomingTokens()
      for (let i = 0; i < 4; i++) await peer.say(part())
      await clock.elapse(10_000)
      expect(closes(peer)).to.deep.equal([])
      const token = (await tokens.next()).value as IncomingToken
      void (async () => {
        for await (const _piece of token) await settled()
      })().catch(() => {})
      await settled()
      await settled()
      await clock.elapse(999)
      expect(closes(peer)).to.deep.equal([])
      await clock.elapse(1)
      await settled()
      expect(closes(peer)).to.deep.equal([0x0103])
    })
  })

  describe('in unreadBytes', () => {
    const token = pattern(400_000)
    const cuts = [4, 5, 1000, 4095, 4096, 30_000, 70_000, 300_000, 400_003]

    it('counts as unread on token/1 as far as it has come, and no more when it is whole', async () => {
      for (const cut of cuts) {
        const { connection, peer } = connectionAndPeer()
        listen(connection)
        const wire = frame(token)
        peer.write(wire.subarray(0, cut))
        await settled()
        expect(connection.unreadBytes, `${cut}`).to.equal(cut - 4)
        peer.write(wire.subarray(cut))
        await settled()
        expect(connection.unreadBytes, `${cut}`).to.equal(0)
      }
    })

    it('counts as unread on token/2, in one frame and in parts, with a consumer and without', async () => {
      for (const parts of [1, 10]) {
        const pieces = Array.from({ length: parts }, (_, i) =>
          token.subarray((i * token.length) / parts, ((i + 1) * token.length) / parts)
        )
        const wire = encode(whole(...pieces))
        for (const cut of cuts) {
          for (const hasListener of [true, false]) {
            const peer = await greeted('server', {}, undefined, { features: FEATURES })
            if (hasListener) listen(peer.connection)
            await peer.say(wire.subarray(0, cut))
            const { unreadBytes } = peer.connection
            expect(unreadBytes, `${cut} of ${parts}`).to.be.within(cut - 9 * parts, cut)
            listen(peer.connection)
            await peer.say(wire.subarray(cut))
            expect(peer.connection.unreadBytes).to.equal(0)
          }
        }
      }
    })

    it('is counted among the undelivered bytes when it is cut off', async () => {
      const peer = await greeted('server', {}, undefined, { features: FEATURES })
      listen(peer.connection)
      await peer.say(frame(token).subarray(0, 5004))
      peer.connection.destroy()
      expect((await peer.connection.closed).undeliveredBytes).to.equal(5000)
    })
  })
})
