import { expect } from 'chai'
import fc from 'fast-check'
import { connectionLimits } from '../../lib/options/connection-options'
import { Sender } from '../../lib/sending/sender'
import { TokenSource } from '../../lib/sending/token-source'
import { frame, frames, pattern } from '../helpers/bytes'
import { settled } from '../helpers/moments'
import { destroyPairs, HeldDuplex, socketPair } from '../helpers/pairs'
import { dropOldest } from '../helpers/queued-writer'
import { TokenReading } from '../helpers/token-reading'

const KIB = 1024
const PING = Buffer.from('8000000983 0102030405060708'.replace(' ', ''), 'hex')

/** A sender without a socket. */
function detached(highWaterMark = 64 * KIB * KIB) {
  const log: string[] = []
  const sender = new Sender(
    connectionLimits({ maxTokenLength: 16 * KIB * KIB, outboxBytes: 64 * KIB * KIB, highWaterMark }),
    {
      events: { onDrain: () => void log.push('drain') },
      delivering: {
        aborted: number => void log.push(`aborted ${number}`),
        withdrawn: number => void log.push(`withdrawn ${number}`)
      },
      settled: () => {},
      active: () => {},
      fail: () => {}
    }
  )
  sender.protocol = { wrote: () => void log.push('wrote'), flushed: () => void log.push('flushed') }
  const said: Buffer[] = []
  const attach = (): HeldDuplex => {
    const socket = new HeldDuplex()
    socket.on('error', () => {})
    sender.attach(socket, { takeControl: () => said.shift() ?? null, takeCounts: () => null })
    sender.splitsTokens = true
    return socket
  }
  return { sender, log, said, attach }
}

function opened() {
  const made = detached()
  return { ...made, socket: made.attach() }
}

async function releaseAll(socket: HeldDuplex): Promise<void> {
  await settled()
  while (socket.held.length > 0) {
    socket.release()
    await settled()
  }
}

/** A stream that gives chunks when the test says so. */
function gate() {
  const chunks: (Uint8Array | null | Error)[] = []
  let wake: () => void = () => {}
  const state = { isReturned: false }
  async function* give() {
    try {
      for (;;) {
        const chunk = chunks.shift()
        if (chunk instanceof Error) throw chunk
        if (chunk === null) return
        if (chunk === undefined) await new Promise<void>(resolve => (wake = resolve))
        else yield chunk
      }
    } finally {
      state.isReturned = true
    }
  }
  const put = async (...more: (Uint8Array | null | Error)[]) => {
    chunks.push(...more)
    wake()
    await settled()
  }
  return { source: new TokenSource(give()), put, state }
}

function expectTokens(reading: TokenReading, ...tokens: (Uint8Array | null)[]): void {
  expect(reading.tokens.map(token => token?.length ?? null)).to.deep.equal(
    tokens.map(token => token?.length ?? null)
  )
  reading.tokens.forEach((token, i) => {
    expect(token === null || token.equals(tokens[i] as Uint8Array), `token ${i}`).to.equal(true)
  })
}

describe('Sender, where PART is agreed', () => {
  afterEach(destroyPairs)

  it('splits what is longer than 256 KiB, and nothing else', async () => {
    for (const length of [
      0,
      256 * KIB - 9,
      256 * KIB,
      256 * KIB + 1,
      512 * KIB - 18,
      512 * KIB,
      528 * KIB - 18,
      528 * KIB - 17,
      1024 * KIB
    ]) {
      const { sender, socket } = opened()
      sender.send(pattern(length))
      sender.send(pattern(3))
      await releaseAll(socket)
      const reading = new TokenReading().push(...socket.written)
      expectTokens(reading, pattern(length), pattern(3))
      const behindFirst = length - (256 * KIB - 9)
      const others = Math.max(0, Math.ceil((behindFirst - 16 * KIB) / (256 * KIB - 9)) - 1)
      const parts = length <= 256 * KIB ? 0 : 1 + others
      expect(reading.partLengths).to.deep.equal(Array(parts).fill(256 * KIB - 9))
      expect([sender.bufferedAmount, sender.tokensSent]).to.deep.equal([0, 2])
    }
  })

  it('fills whole TLS records with each part of a token', async () => {
    const { sender, socket } = opened()
    sender.send(pattern(4 * 256 * KIB))
    await releaseAll(socket)
    const sizes = socket.written.map(chunk => chunk.length % (16 * KIB))
    expect(sizes.slice(0, 6)).to.deep.equal([0, 0, 0, 0, 0, 0])
  })

  it('is at no cut of the stream wrong about what may follow', async () => {
    const { sender, socket } = opened()
    sender.send(pattern(700 * KIB))
    const reading = new TokenReading()
    const states: string[] = []
    for (let i = 0; socket.held.length > 0; i++) {
      reading.push(socket.written[i] as Buffer)
      states.push(`${sender.isMidToken} ${reading.isWhole}`)
      socket.release()
      await settled()
    }
    const middle = 'true false'
    const between = 'false false'
    const end = 'false true'
    expect(states).to.deep.equal([middle, between, middle, between, middle, end])
  })

  it('lets control frames go between two parts, and the end only behind the last', async () => {
    const { sender, socket, said, log } = opened()
    sender.send(pattern(700 * KIB))
    sender.end()
    said.push(PING)
    await releaseAll(socket)
    const reading = new TokenReading().push(...socket.written)
    expect(reading.control.map(({ partBytes }) => partBytes)).to.deep.equal([256 * KIB - 9])
    expect(log.filter(entry => entry === 'flushed')).to.have.length(1)
    expectTokens(reading, pattern(700 * KIB))
  })

  it('waits for credit between two parts, and takes 4 bytes and the length of each', async () => {
    const { sender, socket, log } = opened()
    sender.credit = 1
    sender.send(pattern(600 * KIB))
    sender.end()
    await releaseAll(socket)
    expect([sender.isMidToken, sender.tokensSent]).to.deep.equal([false, 0])
    sender.addCredit(256 * KIB - 9 + 4 - 1)
    await releaseAll(socket)
    expect(new TokenReading().push(...socket.written).partLengths).to.have.length(1)
    sender.addCredit(1)
    await releaseAll(socket)
    expect(new TokenReading().push(...socket.written).partLengths).to.have.length(2)
    expect(log).to.not.include('flushed')
    sender.addCredit(1_000_000)
    await releaseAll(socket)
    expectTokens(new TokenReading().push(...socket.written), pattern(600 * KIB))
    expect(log).to.include('flushed')
  })

  it('gives up the parts that are not begun, and says nothing more of the token', async () => {
    for (const releases of [0, 1, 2]) {
      const { sender, socket, said } = opened()
      sender.send(pattern(700 * KIB))
      sender.send(pattern(1))
      for (let i = 0; i < releases; i++) {
        socket.release()
        await settled()
      }
      sender.abandon()
      said.push(PING)
      sender.wake()
      await releaseAll(socket)
      const reading = new TokenReading().push(...socket.written)
      expect([reading.tokens.length, reading.control.length]).to.deep.equal([0, 1])
      expect([sender.tokensTaken, sender.tokensUnsent]).to.deep.equal([2, 2])
      expect(sender.notHad(null).map(({ length }) => length)).to.deep.equal([700 * KIB, 1])
    }
  })
})

describe('Sender between transports', () => {
  afterEach(destroyPairs)

  it('takes tokens without a socket, and writes them when there is one', async () => {
    const { sender, attach, log } = detached()
    for (const text of ['a', 'b']) expect(sender.send(Buffer.from(text))).to.equal(true)
    sender.end()
    await settled()
    expect([sender.bufferedAmount, sender.tokensUnsent, log]).to.deep.equal([10, 2, []])
    const socket = attach()
    sender.wake()
    await releaseAll(socket)
    expect(Buffer.concat(socket.written)).to.deep.equal(frames('a', 'b'))
    expect(log).to.include('flushed')
  })

  it('takes no notice of a write that completes or fails after its transport is gone', async () => {
    for (const error of [undefined, new Error('late')]) {
      const { sender, socket, attach, log } = opened()
      sender.send(Buffer.from('a'))
      sender.detach()
      expect(sender.bufferedAmount).to.equal(0)
      const next = attach()
      sender.send(Buffer.from('b'))
      expect(sender.bufferedAmount).to.equal(5)
      socket.release(error)
      await settled()
      expect([sender.bufferedAmount, log, next.written]).to.deep.equal([5, [], [frame('b')]])
    }
  })

  it('writes a token that was cut anywhere from its first byte', async () => {
    for (let releases = 0; releases < 6; releases++) {
      const { sender, socket, attach } = opened()
      sender.retain(10_000_000)
      const tokens = [pattern(5), pattern(700 * KIB), pattern(7)]
      for (const token of tokens) sender.send(token)
      for (let i = 0; i < releases; i++) {
        socket.release()
        await settled()
      }
      const reading = new TokenReading().push(...socket.written)
      sender.detach()
      reading.cut()
      expect(sender.isMidToken).to.equal(false)
      const next = attach()
      sender.rewind(reading.tokens.length)
      await releaseAll(next)
      expectTokens(reading.push(...next.written), ...tokens)
      expect(sender.retainedBytes).to.equal(700 * KIB + 24)
    }
  })

  it('keeps what is sent, which is nothing that waits', async () => {
    const { sender, socket } = opened()
    sender.retain(1000)
    sender.send(pattern(10))
    sender.send(pattern(20))
    await releaseAll(socket)
    expect([sender.retainedBytes, sender.bufferedAmount, sender.tokensUnsent]).to.deep.equal([38, 0, 0])
    sender.acknowledge(1)
    expect(sender.retainedBytes).to.equal(24)
  })

  it('begins no token that the window has no room for, and control frames leave', async () => {
    const { sender, socket, said, log } = opened()
    sender.retain(50)
    for (const length of [20, 20, 3]) sender.send(pattern(length))
    sender.end()
    said.push(PING)
    await releaseAll(socket)
    const reading = new TokenReading().push(...socket.written)
    expectTokens(reading, pattern(20), pattern(20))
    expect([reading.control.length, sender.bufferedAmount, log.includes('flushed')]).to.deep.equal([
      1,
      7,
      false
    ])
    sender.acknowledge(1)
    await releaseAll(socket)
    expect([sender.tokensUnsent, log.includes('flushed')]).to.deep.equal([0, true])
  })

  it('does not call unsent what waits to be written again, and waits for none of it when it is given up', async () => {
    const { sender, socket, attach, log } = opened()
    sender.retain(1000)
    for (const text of ['a', 'b', 'c']) sender.send(Buffer.from(text))
    await releaseAll(socket)
    sender.detach()
    sender.send(Buffer.from('d'))
    const next = attach()
    sender.credit = 0
    sender.rewind(1)
    expect([sender.tokensSent, sender.tokensUnsent, sender.bufferedAmount]).to.deep.equal([3, 1, 15])
    expect([sender.withdraw(2), sender.withdraw(4), dropOldest(sender, 5)]).to.deep.equal([false, true, 0])
    sender.abandon()
    expect(sender.notHad(null)).to.deep.equal([])
    expect([sender.tokensSent, sender.bufferedAmount]).to.deep.equal([3, 0])
    sender.end()
    await releaseAll(next)
    expect([next.written, log.at(-1)]).to.deep.equal([[], 'flushed'])
  })

  it('tells drain when the peer has had all that waited, and nothing is left to be written', async () => {
    const { sender, attach, log } = detached(10)
    sender.retain(1000)
    const socket = attach()
    sender.send(pattern(20))
    expect(sender.needsDrain).to.equal(true)
    expect(socket.written).to.have.lengthOf(1)
    sender.detach()
    attach()
    sender.rewind(1)
    await settled()
    expect([sender.needsDrain, log]).to.deep.equal([false, ['drain']])
  })

  it('brings every token once and in order, whatever is cut wherever', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('send' as const), bytes: fc.oneof(fc.nat(50), fc.nat(600 * KIB)) }),
      fc.record({ do: fc.constant('stream' as const), bytes: fc.oneof(fc.nat(50), fc.nat(600 * KIB)) }),
      fc.record({ do: fc.constant('write' as const), bytes: fc.nat(4) }),
      fc.record({ do: fc.constant('acknowledge' as const), bytes: fc.nat(3) }),
      // How many bytes of the last chunk written did not arrive.
      fc.record({ do: fc.constant('cut' as const), bytes: fc.oneof(fc.nat(9), fc.nat(300 * KIB)) })
    )
    const run = async (steps: { do: string; bytes: number }[]) => {
      const { sender, attach, log } = detached()
      sender.retain(1_500_000)
      let socket = attach()
      const sent: Buffer[] = []
      const streamed = new Set<number>()
      const reading = new TokenReading()
      let arrived = 0
      const arrive = (missing: number) => {
        const all = socket.written.slice(arrived)
        arrived = socket.written.length
        const last = all.pop()
        reading.push(...all)
        if (last !== undefined) reading.push(last.subarray(0, Math.max(0, last.length - missing)))
      }
      for (const { do: what, bytes } of steps) {
        if (what === 'send') sent.push(pattern(bytes, sent.length))
        if (what === 'send') sender.send(sent.at(-1) as Buffer)
        if (what === 'stream') {
          const token = pattern(bytes, sent.length)
          sent.push(token)
          streamed.add(sent.length)
          const half = bytes >> 1
          sender.sendFrom(
            new TokenSource(
              (async function* () {
                await Promise.resolve()
                yield token.subarray(0, half)
                yield token.subarray(half)
              })()
            )
          )
        }
        for (let i = 0; what === 'write' && i < bytes; i++) socket.release()
        if (what === 'acknowledge') {
          arrive(0)
          sender.acknowledge(Math.max(0, reading.tokens.length - bytes))
        }
        if (what === 'cut') {
          arrive(bytes)
          sender.detach()
          reading.cut()
          socket = attach()
          arrived = 0
          sender.rewind(reading.tokens.length)
        }
        await settled()
      }
      for (let i = 0; i === 0 || (i < 30 && reading.tokens.length < sent.length); i++) {
        await releaseAll(socket)
        arrive(0)
        sender.acknowledge(reading.tokens.length)
      }
      const aborted = log.filter(entry => entry.startsWith('aborted')).map(entry => Number(entry.slice(8)))
      for (const number of aborted) expect(streamed.has(number)).to.equal(true)
      expectTokens(reading, ...sent.map((token, i) => (aborted.includes(i + 1) ? null : token)))
      expect([sender.tokensUnsent, sender.retainedBytes, sender.bufferedAmount]).to.deep.equal([0, 0, 0])
    }
    const seed = process.env.SEED
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), run),
      seed === undefined ? { numRuns: 60 } : { numRuns: 60, seed: Number(seed) }
    )
  })
})

describe('Sender of a stream', () => {
  afterEach(destroyPairs)

  it('brings the bytes in their place among the others', async () => {
    const { sender, socket } = opened()
    const { source, put, state } = gate()
    sender.send(Buffer.from('before'))
    sender.sendFrom(source)
    sender.send(Buffer.from('behind'))
    await releaseAll(socket)
    expect(new TokenReading().push(...socket.written).tokens).to.have.length(1)
    await put(pattern(20 * KIB, 1), pattern(5, 2), null)
    await releaseAll(socket)
    const whole = Buffer.concat([pattern(20 * KIB, 1), pattern(5, 2)])
    const reading = new TokenReading().push(...socket.written)
    expectTokens(reading, Buffer.from('before'), whole, Buffer.from('behind'))
    expect(reading.partLengths.length).to.be.below(2)
    expect([state.isReturned, sender.bufferedAmount]).to.deep.equal([true, 0])
  })

  it('lets control frames leave while it waits for the stream, and no other token', async () => {
    const { sender, socket, said } = opened()
    const { source, put } = gate()
    sender.sendFrom(source)
    sender.send(Buffer.from('behind'))
    await put(pattern(20 * KIB))
    await releaseAll(socket)
    said.push(PING)
    sender.wake()
    await releaseAll(socket)
    const reading = new TokenReading().push(...socket.written)
    expect(reading.control.map(({ partBytes }) => partBytes)).to.deep.equal([20 * KIB])
    expect([reading.tokens.length, sender.isMidToken]).to.deep.equal([0, false])
  })

  it('ends with an empty last part when all bytes left before the stream ended', async () => {
    const { sender, socket } = opened()
    const { source, put } = gate()
    sender.sendFrom(source)
    await put(pattern(20 * KIB))
    await releaseAll(socket)
    await put(null)
    await releaseAll(socket)
    expect(Buffer.concat(socket.written).subarray(-4)).to.deep.equal(Buffer.alloc(4))
    expectTokens(new TokenReading().push(...socket.written), pattern(20 * KIB))
  })

  it('reads no further than the peer’s credit lets it write, but for what is read ahead', async () => {
    const { sender, socket } = opened()
    let given = 0
    async function* give() {
      while (given < 100) {
        given++
        await settled()
        yield pattern(64 * KIB, given)
      }
    }
    sender.credit = 0
    sender.sendFrom(new TokenSource(give()))
    await settled()
    expect(given).to.equal(0)
    sender.addCredit(1)
    for (let i = 0; i < 10; i++) await releaseAll(socket)
    expect(given).to.equal(2)
  })

  it('that fails before its first byte is withdrawn, and those behind move up', async () => {
    const { sender, socket, log } = opened()
    const { source, put } = gate()
    sender.sendFrom(source)
    sender.send(Buffer.from('behind'))
    await put(pattern(5), new Error('disk'))
    await releaseAll(socket)
    expect([log.filter(entry => entry !== 'wrote'), sender.tokensTaken]).to.deep.equal([['withdrawn 1'], 1])
    expectTokens(new TokenReading().push(...socket.written), Buffer.from('behind'))
  })

  it('that fails in the middle of a part is aborted behind it, and its number stays used', async () => {
    const { sender, socket, log } = opened()
    const { source, put } = gate()
    sender.sendFrom(source)
    sender.send(Buffer.from('behind'))
    sender.credit = 100 * KIB + 4 + 1
    await put(pattern(100 * KIB))
    expect(sender.isMidToken).to.equal(true)
    await put(new Error('disk'))
    await releaseAll(socket)
    expect([log.includes('aborted 1'), sender.tokensTaken, sender.tokensSent]).to.deep.equal([true, 2, 1])
    expectTokens(new TokenReading().push(...socket.written), null)
    // ABORT has taken 4 of the 1 that was left.
    sender.addCredit(3)
    await releaseAll(socket)
    expect(sender.tokensSent).to.equal(1)
    sender.addCredit(1)
    await releaseAll(socket)
    expectTokens(new TokenReading().push(...socket.written), null, Buffer.from('behind'))
  })

  it('stops reading when it is taken back, dropped, given up or let go', async () => {
    const ways: ((sender: Sender) => void)[] = [
      sender => sender.withdraw(1),
      sender => dropOldest(sender, 1),
      sender => sender.abandon(),
      sender => sender.release()
    ]
    for (const way of ways) {
      const { sender, log } = opened()
      const { source, put, state } = gate()
      sender.sendFrom(source)
      await put(pattern(5))
      way(sender)
      await put(pattern(1))
      expect([source.isVoid, state.isReturned, log]).to.deep.equal([true, true, []])
    }
  })

  it('is void when its transport is lost in the middle, and the next one is told by ABORT', async () => {
    const { sender, socket, attach, log } = opened()
    sender.retain(1000)
    const { source, put, state } = gate()
    sender.sendFrom(source)
    sender.send(Buffer.from('behind'))
    await put(pattern(20 * KIB))
    await releaseAll(socket)
    sender.detach(new Error('lost'))
    expect([log.at(-1), source.isVoid, sender.withdraw(1)]).to.deep.equal(['aborted 1', true, false])
    await put(pattern(1))
    expect(state.isReturned).to.equal(true)
    const next = attach()
    sender.rewind(0)
    await releaseAll(next)
    expect(Buffer.concat(next.written)).to.deep.equal(
      Buffer.concat([Buffer.from('8000000186', 'hex'), frame('behind')])
    )
    expect([sender.tokensSent, sender.retainedBytes]).to.deep.equal([2, 10])
  })

  it('is void when it has left whole and the peer has not had it', async () => {
    for (const received of [0, 1]) {
      const { sender, socket, attach, log } = opened()
      sender.retain(1000)
      const { source, put } = gate()
      sender.sendFrom(source)
      await put(pattern(7), null)
      await releaseAll(socket)
      sender.detach()
      const next = attach()
      sender.rewind(received)
      await releaseAll(next)
      expect(log.includes('aborted 1')).to.equal(received === 0)
      expectTokens(new TokenReading().push(...next.written), ...(received === 0 ? [null] : []))
      expect(sender.tokensUnsent).to.equal(0)
    }
  })
})

describe('Sender over a socket of the system', () => {
  afterEach(destroyPairs)

  it('writes no memory anew that a slow reader has not been given', async () => {
    const [socket, peer] = await socketPair()
    const { sender } = detached()
    sender.attach(socket)
    sender.splitsTokens = true
    const other = detached().sender
    const [noise, noisePeer] = await socketPair()
    other.attach(noise)
    noisePeer.resume()
    const reading = new TokenReading()
    const tokens = Array.from({ length: 1500 }, (_, i) =>
      pattern((i * 37) % (i % 50 === 0 ? 150_000 : 9000), i)
    )
    for (const token of tokens) sender.send(token)
    const done = new Promise<void>(resolve => {
      peer.on('data', chunk => {
        reading.push(chunk)
        peer.pause()
        // Another connection takes the slabs that are given back.
        for (let i = 0; i < 20; i++) other.send(pattern(500, 0xee))
        setImmediate(() => peer.resume())
        if (reading.tokens.length === tokens.length) resolve()
      })
    })
    await done
    expectTokens(reading, ...tokens)
  })

  it('forgets the memory of a write whose socket is lost under it', async () => {
    const [socket, peer] = await socketPair()
    const { sender } = detached()
    sender.retain(10_000_000)
    sender.attach(socket)
    peer.pause()
    for (let i = 0; i < 200; i++) sender.send(pattern(40_000, i))
    await settled()
    sender.detach()
    const [second, secondPeer] = await socketPair()
    sender.attach(second)
    sender.rewind(0)
    const reading = new TokenReading()
    await new Promise<void>(resolve => {
      secondPeer.on('data', chunk => {
        if (reading.push(chunk).tokens.length === 200) resolve()
      })
    })
    expectTokens(reading, ...Array.from({ length: 200 }, (_, i) => pattern(40_000, i)))
    // What the first peer reads afterwards is what was written then.
    const first = new TokenReading()
    peer.on('data', chunk => first.push(chunk))
    peer.resume()
    await settled()
    first.tokens.forEach((token, i) => {
      expect(token?.equals(pattern(40_000, i))).to.equal(true)
    })
    expect(first.tokens.length).to.be.above(0)
  })
})
