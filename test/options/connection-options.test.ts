import { expect } from 'chai'
import { type ConnectionOptions, connectionLimits } from '../../lib/options/connection-options'
import { refusal, show } from '../helpers/refusal'

const MIB = 1024 * 1024

const DEFAULTS = {
  maxTokenLength: 8 * MIB,
  maxStreamLength: 0,
  outboxBytes: 16 * MIB + 8,
  highWaterMark: 256 * 1024,
  frameTimeout: 30_000,
  writeTimeout: 60_000,
  idleTimeout: 0,
  heartbeat: 15_000,
  receiveWindow: 2 * MIB,
  consumerTimeout: 60_000,
  maxPendingRequests: 16_384,
  closeTimeout: 10_000
}

describe('connectionLimits', () => {
  it('is complete and frozen', () => {
    for (const limits of [
      connectionLimits(),
      connectionLimits({}),
      connectionLimits({ idleTimeout: undefined })
    ]) {
      expect(limits).to.deep.equal(DEFAULTS)
      expect(Object.isFrozen(limits)).to.equal(true)
    }
  })

  it('leaves the options of the caller as they were', () => {
    const options = Object.freeze({ maxTokenLength: 20 * MIB })
    expect(connectionLimits(options).maxTokenLength).to.equal(20 * MIB)
  })

  it('lets tokens in parts be as long as a count may be, but not where no part is small enough', () => {
    expect(connectionLimits({ maxStreamLength: 2 ** 53 - 1 }).maxStreamLength).to.equal(2 ** 53 - 1)
    for (const options of [
      { maxStreamLength: 2 ** 53 },
      { maxStreamLength: -1 },
      { maxStreamLength: 1, maxTokenLength: 16_383 }
    ]) {
      expect(() => connectionLimits(options))
        .to.throw(/^Cannot use option maxStreamLength: /)
        .with.property('code', 'ERR_OPTION')
    }
  })

  it('makes room for two of the largest tokens, unless told otherwise', () => {
    expect(connectionLimits({ maxTokenLength: 20 * MIB }).outboxBytes).to.equal(2 * (20 * MIB + 4))
    expect(connectionLimits({ maxTokenLength: 10 }).outboxBytes).to.equal(16 * MIB)
    expect(connectionLimits({ maxTokenLength: 10, outboxBytes: 14 }).outboxBytes).to.equal(14)
  })

  const allowed: ConnectionOptions[] = [
    { maxTokenLength: 1 },
    { maxTokenLength: 0x7fff_ffff },
    { highWaterMark: 1 },
    { outboxBytes: 8 * MIB + 4 },
    { frameTimeout: 0 },
    { writeTimeout: Infinity },
    { idleTimeout: 0x7fff_ffff },
    { heartbeat: 0 },
    { heartbeat: 100 },
    { heartbeat: 86_400_000 },
    { receiveWindow: 1 },
    { receiveWindow: 0xffff_ffff },
    { closeTimeout: 0 }
  ]
  for (const options of allowed) {
    it(`lets ${show(options)} through`, () => {
      expect(connectionLimits(options)).to.include(options)
    })
  }

  const refused: [Record<string, unknown>, string][] = [
    [{ maxTokenLength: -1 }, 'maxTokenLength'],
    [{ maxTokenLength: 0x8000_0000 }, 'maxTokenLength'],
    [{ maxTokenLength: 1.5 }, 'maxTokenLength'],
    [{ maxTokenLength: Infinity }, 'maxTokenLength'],
    [{ maxTokenLength: '1024' }, 'maxTokenLength'],
    [{ maxTokenLength: null }, 'maxTokenLength'],
    [{ maxTokenLength: 16, outboxBytes: 19 }, 'outboxBytes'],
    [{ outboxBytes: Infinity }, 'outboxBytes'],
    [{ highWaterMark: 0 }, 'highWaterMark'],
    [{ frameTimeout: -1 }, 'frameTimeout'],
    [{ writeTimeout: NaN }, 'writeTimeout'],
    [{ idleTimeout: 0x8000_0000 }, 'idleTimeout'],
    [{ closeTimeout: '10s' }, 'closeTimeout'],
    [{ heartbeat: 99 }, 'heartbeat'],
    [{ heartbeat: 86_400_001 }, 'heartbeat'],
    [{ heartbeat: Infinity }, 'heartbeat'],
    [{ receiveWindow: 0 }, 'receiveWindow'],
    [{ receiveWindow: 2 ** 32 }, 'receiveWindow'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ protocol: 'token/2' }, 'role'],
    [{ protocol: 'token/2', role: 'peer' }, 'role'],
    [{ protocol: 'token/2', role: 'client', ack: 'never' }, 'ack'],
    [{ maxTokenLenght: 5 }, 'maxTokenLenght'],
    [{ maxConnections: 5 }, 'maxConnections'],
    [{ constructor: 5 }, 'constructor']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)} and names the option`, () => {
      const error = refusal(() => connectionLimits(options as ConnectionOptions))
      expect(error.code).to.equal('ERR_OPTION')
      expect(error.message).to.match(new RegExp(`^Cannot use option ${name}: it `))
    })
  }

  it('says the range and the value', () => {
    const error = refusal(() => connectionLimits({ highWaterMark: -5 }))
    expect(error.message).to.equal(
      `Cannot use option highWaterMark: it must be an integer from 1 to ${Number.MAX_SAFE_INTEGER}, got -5`
    )
  })
})
