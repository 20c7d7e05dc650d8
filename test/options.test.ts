import { expect } from 'chai'
import { TokenError } from '../lib/errors'
import {
  type ConnectionOptions,
  checkDelay,
  clientSettings,
  connectionLimits,
  duration,
  serverSettings,
  type TokenClientOptions,
  type TokenServerOptions
} from '../lib/options'

const MIB = 1024 * 1024

function refusal(run: () => unknown): TokenError {
  try {
    run()
  } catch (error) {
    expect(error).to.be.instanceOf(TokenError)
    return error as TokenError
  }
  throw new Error('nothing was refused')
}

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

  it('refuses `ack: manual` where nothing is acknowledged', () => {
    const error = refusal(() => connectionLimits({ ack: 'manual' }))
    expect([error.code, error.message]).to.deep.equal([
      'ERR_PROTOCOL_REQUIRED',
      "Cannot use option ack: 'manual' needs protocol 'token/2'"
    ])
    expect(() => connectionLimits({ ack: 'manual', protocol: 'token/2', role: 'server' })).not.to.throw()
  })

  it('says the range and the value', () => {
    const error = refusal(() => connectionLimits({ highWaterMark: -5 }))
    expect(error.message).to.equal(
      `Cannot use option highWaterMark: it must be a whole number from 1 to ${Number.MAX_SAFE_INTEGER}, and is -5`
    )
  })
})

describe('serverSettings', () => {
  it('takes its own options and those of connections, and leaves the rest to Node', () => {
    const settings = serverSettings({
      port: 1,
      host: 'localhost',
      cert: 'c',
      maxTokenLength: 5,
      maxConnections: 7,
      handshakeTimeout: 100
    })
    expect(settings.tls).to.deep.equal({ port: 1, host: 'localhost', cert: 'c' })
    expect(settings.connection).to.include({ maxTokenLength: 5, closeTimeout: 10_000 })
    expect(settings).to.include({
      maxConnections: 7,
      maxConnectionsPerAddress: 4096,
      maxPendingHandshakes: 16_384,
      handshakeTimeout: 100
    })
    expect(Object.isFrozen(settings)).to.equal(true)
  })

  const refused: [Record<string, unknown>, string][] = [
    [{ ALPNProtocols: ['h2'] }, 'ALPNProtocols'],
    [{ ALPNCallback: () => 'x' }, 'ALPNCallback'],
    [{ allowHalfOpen: false }, 'allowHalfOpen'],
    [{ pauseOnConnect: true }, 'pauseOnConnect'],
    [{ maxConnections: 0 }, 'maxConnections'],
    [{ maxConnectionsPerAddress: 0.5 }, 'maxConnectionsPerAddress'],
    [{ maxPendingHandshakes: -1 }, 'maxPendingHandshakes'],
    [{ handshakeTimeout: 0 }, 'handshakeTimeout'],
    [{ handshakeTimeout: Infinity }, 'handshakeTimeout'],
    [{ maxConnectionsPerIdentity: 0 }, 'maxConnectionsPerIdentity'],
    [{ memoryBudgetBytes: 0 }, 'memoryBudgetBytes'],
    [{ maxQueueAge: -1 }, 'maxQueueAge'],
    [{ slowConsumer: 'wait' }, 'slowConsumer'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ maxTokenLength: -1 }, 'maxTokenLength']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => {
      const error = refusal(() => serverSettings(options as TokenServerOptions))
      expect(error.code).to.equal('ERR_OPTION')
      expect(error.message).to.contain(`option ${name}: it `)
    })
  }
})

describe('clientSettings', () => {
  it('takes its own options and those of connections, and leaves the rest to Node', () => {
    const settings = clientSettings({ port: 1, servername: 'a', connectTimeout: 0, idleTimeout: 9 })
    expect(settings.tls).to.deep.equal({ port: 1, servername: 'a' })
    expect(settings).to.include({ connectTimeout: 0, refusedRetryTimeout: 1000 })
    expect(settings.connection.idleTimeout).to.equal(9)
  })

  const refused: [Record<string, unknown>, string][] = [
    [{ ALPNProtocols: ['h2'] }, 'ALPNProtocols'],
    [{ allowHalfOpen: true }, 'allowHalfOpen'],
    [{ timeout: 5 }, 'timeout'],
    [{ onread: {} }, 'onread'],
    [{ connectTimeout: -1 }, 'connectTimeout'],
    [{ refusedRetryTimeout: 1.5 }, 'refusedRetryTimeout'],
    [{ stablePeriod: -1 }, 'stablePeriod'],
    [{ servers: [] }, 'servers'],
    [{ protocol: 'token/3' }, 'protocol'],
    [{ outboxBytes: 1 }, 'outboxBytes']
  ]
  for (const [options, name] of refused) {
    it(`refuses ${show(options)}`, () => {
      const error = refusal(() => clientSettings(options as TokenClientOptions))
      expect(error.code).to.equal('ERR_OPTION')
      expect(error.message).to.contain(`option ${name}: it `)
    })
  }
})

describe('duration', () => {
  it('is milliseconds that a timer of Node can wait, or Infinity', () => {
    for (const value of [0, 1, 0x7fff_ffff, Infinity]) duration('delay', value)
    for (const value of [-1, 0.5, NaN, -Infinity, 0x8000_0000, '1' as never, null as never]) {
      expect(refusal(() => duration('delay', value)).message).to.contain('option delay: it ')
    }
  })
})

describe('checkDelay', () => {
  it('is milliseconds that a timer of Node can wait: Infinity fires at once, so it is refused', () => {
    for (const value of [0, 1, 0x7fff_ffff]) checkDelay(value)
    for (const value of [-1, 0.5, NaN, Infinity, 0x8000_0000]) {
      expect(refusal(() => checkDelay(value)).message).to.contain('option delay: it ')
    }
  })
})

function show(options: object): string {
  return JSON.stringify(options, (_key, value) => (typeof value === 'number' ? String(value) : value))
}
