import { expect } from 'chai'
import {
  type FullJitterOptions,
  fullJitter,
  isHopeless,
  type ReconnectCause,
  type ReconnectPolicy
} from '../../lib/client/reconnect'
import { TokenError, type TokenErrorCode } from '../../lib/errors/token-error'
import { seededRandom } from '../../lib/testing'

const HOUR = 3_600_000
const lost: ReconnectCause = { error: null, isHopeless: false }
const refused: ReconnectCause = { error: null, isHopeless: true }

/** The shortest and the longest wait that the default policy can choose. */
function bounds(attempt: number, cause: ReconnectCause, options = {}): [number, number] {
  const shortest = fullJitter({ ...options, random: () => 0 })(attempt, cause)
  const longest = fullJitter({ ...options, random: () => 1 - Number.EPSILON })(attempt, cause)
  return [shortest as number, longest as number]
}

describe('fullJitter', () => {
  it('waits as its documentation traces', () => {
    expect(bounds(1, lost)).to.deep.equal([200, 500])
    expect(bounds(2, lost)).to.deep.equal([310, 775])
    expect(bounds(3, lost)).to.deep.equal([481, 1_201])
    expect(bounds(6, lost)).to.deep.equal([1_789, 4_473])
    expect(bounds(11, lost)).to.deep.equal([12_000, 30_000])
    expect(bounds(1, refused)).to.deep.equal([30_000, 46_500])
    expect(bounds(2, refused)).to.deep.equal([30_000, 72_075])
    expect(bounds(6, refused)).to.deep.equal([30_000, 300_000])
    expect(bounds(1, { ...lost, retryAfter: 60_000 })).to.deep.equal([60_200, 75_500])
  })

  it('is capped however often it failed, and never gives up', () => {
    for (const attempt of [11, 100, 5_000, Number.MAX_SAFE_INTEGER]) {
      expect(bounds(attempt, lost)).to.deep.equal([12_000, 30_000])
      expect(bounds(attempt, refused)).to.deep.equal([30_000, 300_000])
    }
  })

  it('takes its bounds from the options', () => {
    const options = { initialDelay: 30, maxDelay: 60, hopelessDelay: 1_000, maxHopelessDelay: 2_000 }
    expect(bounds(1, lost, options)).to.deep.equal([12, 30])
    expect(bounds(9, lost, options)).to.deep.equal([24, 60])
    expect(bounds(1, refused, options)).to.deep.equal([1_000, 1_550])
    expect(bounds(9, refused, options)).to.deep.equal([1_000, 2_000])
    expect(bounds(9, refused, { hopelessDelay: 400_000 })).to.deep.equal([400_000, 400_000])
  })

  it('spreads its waits evenly between the bounds, in whole milliseconds', () => {
    const policy = fullJitter({ random: seededRandom(3) })
    const waits = Array.from({ length: 10_000 }, () => policy(4, lost) as number)
    const [shortest, longest] = bounds(4, lost)
    expect(waits.every(wait => Number.isInteger(wait) && wait >= shortest && wait <= longest)).to.equal(true)
    const tenths = new Array<number>(10).fill(0)
    for (const wait of waits) {
      const tenth = Math.min(9, Math.floor(((wait - shortest) / (longest - shortest)) * 10))
      tenths[tenth] = (tenths[tenth] as number) + 1
    }
    for (const count of tenths) expect(count).to.be.within(850, 1_150)
  })

  it('uses Math.random unless told otherwise', () => {
    const policy = fullJitter()
    const waits = new Set(Array.from({ length: 50 }, () => policy(11, lost)))
    expect(waits.size).to.be.greaterThan(40)
  })

  it('never comes back before retryAfter, and lengthens it by a quarter, at most an hour', () => {
    expect(bounds(1, { ...lost, retryAfter: 0 })).to.deep.equal([200, 500])
    expect(bounds(1, { ...lost, retryAfter: 2_000 })).to.deep.equal([2_200, 3_000])
    expect(bounds(11, { ...lost, retryAfter: 2_000 })).to.deep.equal([14_000, 32_500])
    expect(bounds(1, { ...refused, retryAfter: 2_000 })).to.deep.equal([32_000, 49_000])
    expect(bounds(1, { ...lost, retryAfter: 8 * HOUR })).to.deep.equal([8 * HOUR + 200, 9 * HOUR + 500])
  })

  it('believes retryAfter up to 24 h, still lengthened, and within what a timer of Node can wait', () => {
    const [shortest, longest] = bounds(1, { ...lost, retryAfter: 2 ** 32 - 1 })
    expect([shortest, longest]).to.deep.equal([24 * HOUR + 200, 25 * HOUR + 500])
    expect(longest).to.be.lessThan(2 ** 31)
  })

  for (const [options, name] of [
    [{ initialDelay: 0 }, 'initialDelay'],
    [{ initialDelay: NaN }, 'initialDelay'],
    [{ initialDelay: 31_000 }, 'maxDelay'],
    [{ maxDelay: Infinity }, 'maxDelay'],
    [{ hopelessDelay: -1 }, 'hopelessDelay'],
    [{ maxHopelessDelay: 29_999 }, 'maxHopelessDelay'],
    [{ maxHopelessDelay: 2 ** 31 }, 'maxHopelessDelay'],
    [{ random: 0.5 }, 'random'],
    [{ maxDely: 5 }, 'maxDely'],
    [{ growth: 2 }, 'growth']
  ] as [FullJitterOptions, string][]) {
    it(`refuses ${JSON.stringify(options)} and names ${name}`, () => {
      expect(() => fullJitter(options))
        .to.throw(TokenError, `option ${name}:`)
        .with.property('code', 'ERR_OPTION')
    })
  }
})

describe('1,000 clients that one server has lost', () => {
  const CLIENTS = 1_000

  /** When each of them is back, milliseconds after the server is, sorted; and how often the busiest one dialled. */
  function comeBack(policy: ReconnectPolicy, outage: number): { times: number[]; attempts: number } {
    let attempts = 0
    const times = Array.from({ length: CLIENTS }, () => {
      let now = 0
      for (let attempt = 1; ; attempt++) {
        now += policy(attempt, lost) as number
        attempts = Math.max(attempts, attempt)
        if (now >= outage) return now - outage
      }
    })
    return { times: times.sort((x, y) => x - y), attempts }
  }

  /** The most clients in any tenth of the time, as a multiple of the mean. */
  function peakToMean(times: number[]): number {
    const window = ((times.at(-1) as number) - (times[0] as number)) / 10
    let most = 0
    for (let first = 0, last = 0; last < times.length; last++) {
      while ((times[last] as number) - (times[first] as number) > window) first++
      most = Math.max(most, last - first + 1)
    }
    return most / (CLIENTS / 10)
  }

  for (const outage of [0, 300, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 60_000]) {
    it(`come back at most at three times the mean rate after ${outage} ms`, () => {
      for (let seed = 1; seed <= 20; seed++) {
        const { times } = comeBack(fullJitter({ random: seededRandom(seed) }), outage)
        expect(peakToMean(times), `seed ${seed}`).to.be.at.most(3)
      }
    })
  }

  it('are all back within 10 s after up to 5 s', () => {
    for (const outage of [0, 1_000, 3_000, 5_000]) {
      for (let seed = 1; seed <= 20; seed++) {
        const { times } = comeBack(fullJitter({ random: seededRandom(seed) }), outage)
        expect(times.at(-1)).to.be.at.most(10_000)
      }
    }
  })

  it('dial in vain at most 12 times in 60 s', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { attempts } = comeBack(fullJitter({ random: seededRandom(seed) }), 60_000)
      expect(attempts - 1).to.be.at.most(12)
    }
  })

  it('would come back at more with doubled waits from 0 on: the test can fail', () => {
    const random = seededRandom(1)
    const policy = (attempt: number) => random() * Math.min(30_000, 500 * 2 ** (attempt - 1))
    expect(peakToMean(comeBack(policy, 2_000).times)).to.be.greaterThan(3)
  })
})

describe('isHopeless', () => {
  const failed = (code: TokenErrorCode, causeCode?: string) =>
    new TokenError(
      code,
      'Cannot',
      causeCode === undefined ? {} : { cause: Object.assign(new Error(), { code: causeCode }) }
    )

  for (const code of ['ERR_CERTIFICATE', 'ERR_CONTROL_FRAME', 'ERR_OPTION', 'ERR_TOKEN_TOO_LARGE'] as const) {
    it(`is true for ${code}`, () => {
      expect(isHopeless(failed(code))).to.equal(true)
    })
  }

  it('is true for what token/2 adds: refused, another protocol', () => {
    for (const code of ['ERR_REFUSED', 'ERR_PROTOCOL', 'ERR_PROTOCOL_REQUIRED']) {
      expect(isHopeless(failed(code as TokenErrorCode)), code).to.equal(true)
    }
  })

  for (const code of ['ERR_SOCKET', 'ERR_TRUNCATED', 'ERR_CONNECT_TIMEOUT', 'ERR_FRAME_TIMEOUT'] as const) {
    it(`is false for ${code}`, () => {
      expect(isHopeless(failed(code))).to.equal(false)
    })
  }

  for (const cause of [
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED',
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_UNSUPPORTED_PROTOCOL'
  ]) {
    it(`is true for a handshake that failed with ${cause}`, () => {
      expect(isHopeless(failed('ERR_HANDSHAKE', cause))).to.equal(true)
    })
  }

  for (const cause of [
    'ECONNRESET',
    'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
    'ERR_SSL_SSL/TLS_ALERT_BAD_RECORD_MAC',
    'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'
  ]) {
    it(`is false for a handshake that failed with ${cause}: a restart or the network`, () => {
      expect(isHopeless(failed('ERR_HANDSHAKE', cause))).to.equal(false)
    })
  }

  it('is true for a dial that Node itself refuses, false for one that nobody answered', () => {
    for (const cause of [
      'ERR_INVALID_ARG_TYPE',
      'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
      'ERR_MISSING_ARGS',
      'ERR_SOCKET_BAD_PORT',
      'ERR_INVALID_IP_ADDRESS',
      'ERR_INVALID_ADDRESS_FAMILY'
    ]) {
      expect(isHopeless(failed('ERR_CONNECT', cause)), cause).to.equal(true)
    }
    for (const cause of ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ETIMEDOUT']) {
      expect(isHopeless(failed('ERR_CONNECT', cause)), cause).to.equal(false)
    }
  })

  it('looks for the cause only where one can be', () => {
    expect(isHopeless(failed('ERR_HANDSHAKE'))).to.equal(false)
  })
})
