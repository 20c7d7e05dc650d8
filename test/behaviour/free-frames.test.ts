import { expect } from 'chai'
import { closeCodeNumber } from '../../lib/errors/close-codes'
import { type ControlFrame, encodeControl } from '../../lib/wire/control-frame'
import { FEATURE_ACK, FEATURE_END, FEATURE_PART } from '../../lib/wire/hello'
import { pattern } from '../helpers/bytes'
import { destroyTransports, greeted, OPAQUE } from '../helpers/token-2'

const FEATURES = FEATURE_ACK | FEATURE_END | FEATURE_PART

/** Frames that a peer may say again and again although it has no credit. */
const FREE: Record<string, ControlFrame | Buffer> = {
  ACK: { type: 'ack', handed: 0 },
  END: { type: 'end' },
  GOAWAY: { type: 'goaway', code: closeCodeNumber('drain'), retryAfter: 0, reason: 'why' },
  PING: { type: 'ping', opaque: OPAQUE },
  PONG: { type: 'pong', opaque: OPAQUE },
  WINDOW: { type: 'window', granted: 0 },
  'an unknown frame': Buffer.from('800000010f', 'hex'),
  'a long unknown frame': Buffer.concat([Buffer.from('800004000f', 'hex'), Buffer.alloc(1023)])
}

/** Tokens that wait for a consumer: empty ones, of which a window has most. To walk over them takes 10 ms. */
const WAITING = 100_000
/** Tokens of this side that wait for credit, or for ACK. */
const OWED = 5_000

const TIMES = 200

/** Milliseconds of the processor: a walk for each frame would take 2,000, a step for each of them takes some 10. */
const LIMIT = 400

describe('A frame that costs no credit', () => {
  afterEach(destroyTransports)

  for (const [name, free] of Object.entries(FREE)) {
    for (const state of ['wait for credit', 'wait for ACK'] as const) {
      it(`is no work for what waits, said ${TIMES} times: ${name}, while tokens of this side ${state}`, async () => {
        const peer = await greeted(name === 'GOAWAY' ? 'client' : 'server', {}, undefined, {
          features: FEATURES,
          receiveWindow: state === 'wait for credit' ? 0 : 1_048_576
        })
        for (let i = 0; i < OWED; i++) peer.connection.deliver(pattern(10)).catch(() => {})
        await peer.say(Buffer.alloc(4 * WAITING))
        expect(peer.connection.unreadBytes).to.equal(4 * WAITING)
        const bytes = Buffer.isBuffer(free) ? free : encodeControl(free)
        const before = process.cpuUsage()
        for (let i = 0; i < TIMES / 10; i++) await peer.say(...Array(10).fill(bytes))
        const { user } = process.cpuUsage(before)
        expect(peer.log).to.deep.equal(['open'])
        expect(user / 1000).to.be.below(LIMIT)
      })
    }
  }
})
