import { Readable } from 'node:stream'
import { expect } from 'chai'
import type {
  Connection,
  IncomingToken,
  TokenClientOptions,
  TokenError,
  TokenServer,
  TokenServerOptions
} from '../../lib'
import { pattern } from '../helpers/bytes'
import { figures } from '../helpers/figures'
import { closesWhatItOpened, connectPair, startServer, until } from '../helpers/loopback'

const KIB = 1024
const TOKEN_LIMIT = 512 * KIB
const STREAM_LIMIT = 4096 * KIB

/** What a reader had of one token: all its bytes, or some and the code of what ended it. */
type Read = { bytes: Buffer; code: string | null }

interface World {
  readonly own: Connection
  readonly theirs: Connection
  readonly reads: Read[]
  /** Settles when the reader's loop has ended. */
  readonly done: Promise<string | null>
}

/** A stream that gives chunks when told to. */
class Tap extends Readable {
  reads = 0
  #wanted: () => void = () => {}

  override _read(): void {
    this.reads++
    this.#wanted()
  }

  /** Gives the chunk, and resolves when the next one is asked for. */
  async give(chunk: Uint8Array): Promise<void> {
    const wanted = new Promise<void>(resolve => {
      this.#wanted = resolve
    })
    this.push(chunk)
    await wanted
  }
}

/** Resolves when a token is with the handler, which never settles it. */
function handlesForEver(server: TokenServer): Promise<void> {
  return new Promise(begun => {
    server.handle(() => {
      begun()
      return new Promise<void>(() => {})
    })
  })
}

describe('S7 sendFrom() over TLS', () => {
  closesWhatItOpened()

  async function begin(
    serverOver: TokenServerOptions = {},
    clientOver: Partial<TokenClientOptions> = {}
  ): Promise<World> {
    const { server } = await startServer({
      maxTokenLength: TOKEN_LIMIT,
      maxStreamLength: STREAM_LIMIT,
      ...serverOver
    })
    const { client, connection } = await connectPair(server, { maxTokenLength: TOKEN_LIMIT, ...clientOver })
    const reads: Read[] = []
    const done = readAll(connection, reads).catch((error: TokenError) => error.code)
    return { own: client.connection as Connection, theirs: connection, reads, done }
  }

  async function readAll(connection: Connection, reads: Read[]): Promise<null> {
    for await (const token of connection.incomingTokens()) await readOne(token, reads)
    return null
  }

  async function readOne(token: IncomingToken, reads: Read[]): Promise<void> {
    const read: Read = { bytes: Buffer.alloc(0), code: null }
    reads.push(read)
    try {
      for await (const piece of token) read.bytes = Buffer.concat([read.bytes, piece])
    } catch (error) {
      read.code = (error as TokenError).code
    }
  }

  /** `handed`, or the code of the error and of what caused it. */
  function fate(promise: Promise<void>): Promise<string> {
    return promise.then(
      () => 'handed',
      (error: TokenError) => {
        const cause = error.cause as TokenError | Error | undefined | null
        return cause == null
          ? error.code
          : `${error.code} because ${(cause as TokenError).code ?? cause.message}`
      }
    )
  }

  async function expectGoesOn({ own, reads }: World): Promise<void> {
    await own.deliver(Buffer.from('after'))
    expect(reads.at(-1)).to.deep.equal({ bytes: Buffer.from('after'), code: null })
  }

  function chunksOf(bytes: Buffer, length: number): Buffer[] {
    return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
      bytes.subarray(i * length, (i + 1) * length)
    )
  }

  for (const [name, length, chunk, isKnown] of [
    ['empty', 0, 1, false],
    ['empty, and said to be', 0, 1, true],
    ['of one byte', 1, 1, true],
    ['in chunks smaller than a part', 300 * KIB, 1_000, false],
    ['above maxTokenLength', 3 * 1024 * KIB, 64 * KIB, false],
    ['of the peer’s maxStreamLength exactly', STREAM_LIMIT, 100 * KIB, true],
    ['in one chunk', 2 * 1024 * KIB, 2 * 1024 * KIB, true]
  ] as const) {
    it(`S7 a token ${name} arrives whole, and its promise resolves`, async () => {
      const world = await begin()
      const bytes = pattern(length)
      const stream = Readable.from(chunksOf(bytes, chunk), { objectMode: false })
      await world.own.sendFrom(stream, isKnown ? length : undefined)
      expect(world.reads).to.have.lengthOf(1)
      expect(world.reads[0]?.code).to.equal(null)
      expect(world.reads[0]?.bytes.equals(bytes), 'its bytes').to.equal(true)
      await until(() => stream.destroyed)
      await expectGoesOn(world)
    })
  }

  it('S7 a token arrives whole at a listener, too', async () => {
    const { server } = await startServer({ maxTokenLength: TOKEN_LIMIT })
    const { client } = await connectPair(server)
    const got: Buffer[] = []
    server.on('token', token => got.push(token))
    const bytes = pattern(TOKEN_LIMIT)
    await (client.connection as Connection).sendFrom(Readable.from(chunksOf(bytes, 10_000)))
    expect(got.map(token => token.equals(bytes))).to.deep.equal([true])
  })

  it('S7 a stream that gives too little or too much, fails or gives no bytes was not sent; the next token arrives', async () => {
    const world = await begin()
    const some = pattern(200 * KIB)
    const failing = function* () {
      yield some
      yield some
      throw new Error('the disk is gone')
    }
    const cases: [string, Readable, number | undefined, string][] = [
      ['too short', Readable.from([some, some]), 500 * KIB, 'ERR_NOT_SENT because ERR_OPTION'],
      ['too long', Readable.from([some, some]), 300 * KIB, 'ERR_NOT_SENT because ERR_OPTION'],
      ['nothing', Readable.from([]), 1, 'ERR_NOT_SENT because ERR_OPTION'],
      ['failing', Readable.from(failing()), undefined, 'ERR_NOT_SENT because the disk is gone'],
      ['no bytes', Readable.from([some, 'text']), undefined, 'ERR_NOT_SENT because ERR_TOKEN_TYPE']
    ]
    for (const [name, stream, length, expected] of cases) {
      expect(await fate(world.own.sendFrom(stream, length)), name).to.equal(expected)
      await until(() => stream.destroyed)
      await expectGoesOn(world)
    }
    // Whoever had begun to read one was told; of the others he heard nothing.
    const codes = world.reads.filter(({ bytes }) => String(bytes) !== 'after').map(({ code }) => code)
    expect(new Set([...codes, 'ERR_TOKEN_ABORTED'])).to.deep.equal(new Set(['ERR_TOKEN_ABORTED']))
    figures(`${codes.length} of ${cases.length} reached the reader, all aborted`)
  })

  it('S7 a token above the peer’s maxStreamLength is refused at once, or when it has become too long', async () => {
    const world = await begin()
    const known = new Tap()
    expect(await fate(world.own.sendFrom(known, STREAM_LIMIT + 1))).to.equal('ERR_TOKEN_TOO_LARGE')
    expect([known.destroyed, known.reads]).to.deep.equal([true, 0])
    const unknown = Readable.from(Array(STREAM_LIMIT / (256 * KIB) + 1).fill(pattern(256 * KIB)))
    expect(await fate(world.own.sendFrom(unknown))).to.equal('ERR_NOT_SENT because ERR_TOKEN_TOO_LARGE')
    await until(() => unknown.destroyed)
    await expectGoesOn(world)
    expect(world.reads[0]?.code).to.equal('ERR_TOKEN_ABORTED')
  })

  it('S7 a peer that takes no streams takes maxTokenLength and no more', async () => {
    const world = await begin({ maxStreamLength: 0 })
    expect(world.own.maxStreamLength).to.equal(TOKEN_LIMIT)
    const stream = new Tap()
    expect(await fate(world.own.sendFrom(stream, TOKEN_LIMIT + 1))).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(stream.destroyed).to.equal(true)
    await world.own.sendFrom(Readable.from([pattern(TOKEN_LIMIT)]))
    await expectGoesOn(world)
  })

  it('S7 aborted before: nothing was read of the stream, and it is destroyed', async () => {
    const world = await begin()
    const stream = new Tap()
    const signal = AbortSignal.abort(new Error('no more'))
    expect(await fate(world.own.sendFrom(stream, undefined, { signal }))).to.equal(
      'ERR_NOT_SENT because no more'
    )
    expect([stream.destroyed, stream.reads]).to.deep.equal([true, 0])
    await expectGoesOn(world)
    expect(world.reads).to.have.lengthOf(1)
  })

  for (const how of ['signal', 'timeout'] as const) {
    it(`S7 given up in the middle by ${how}: it was not sent, the reader is told, the next token arrives`, async () => {
      const world = await begin()
      const stream = new Tap()
      const abort = new AbortController()
      const options = how === 'signal' ? { signal: abort.signal } : { timeout: 300 }
      const told = fate(world.own.sendFrom(stream, undefined, options))
      await stream.give(pattern(300 * KIB))
      await until(() => (world.reads[0]?.bytes.length ?? 0) > 0)
      abort.abort(new Error('no more'))
      // A DOMException has the old number of its name as its code: 23 is TimeoutError.
      expect(await told).to.equal(`ERR_NOT_SENT because ${how === 'signal' ? 'no more' : '23'}`)
      expect(stream.destroyed).to.equal(true)
      await expectGoesOn(world)
      expect(world.reads.map(({ code }) => code)).to.deep.equal(['ERR_TOKEN_ABORTED', null])
    })
  }

  it('S7 given up after the last byte: nobody knows, and it may still be handed', async () => {
    const { server } = await startServer({ protocol: 'token/2' })
    const { client } = await connectPair(server)
    const begun = handlesForEver(server)
    const stream = Readable.from([pattern(KIB)])
    const abort = new AbortController()
    const told = fate((client.connection as Connection).sendFrom(stream, undefined, { signal: abort.signal }))
    await begun
    abort.abort(new Error('no more'))
    expect(await told).to.equal('ERR_FATE_UNKNOWN because no more')
  })

  it('S7 the transport is lost in the middle: it was not sent, on both sides', async () => {
    const world = await begin()
    const stream = new Tap()
    const told = fate(world.own.sendFrom(stream))
    await stream.give(pattern(300 * KIB))
    await until(() => (world.reads[0]?.bytes.length ?? 0) > 0)
    world.theirs.socket.destroy()
    expect(await told).to.match(/^ERR_NOT_SENT because ERR_(?:LOST|SOCKET)$/)
    expect(stream.destroyed).to.equal(true)
    expect(await world.done).to.match(/^ERR_(?:LOST|SOCKET)$/)
    expect(world.reads[0]?.code).to.match(/^ERR_(?:LOST|SOCKET|TOKEN_ABORTED)$/)
    expect(await world.own.closed).to.include({ unsent: 1, unconfirmed: 0 })
  })

  it('S7 the transport is lost behind the last byte: nobody knows', async () => {
    const { server } = await startServer({ protocol: 'token/2' })
    const { client, connection } = await connectPair(server)
    const begun = handlesForEver(server)
    const stream = Readable.from([pattern(300 * KIB)])
    const told = fate((client.connection as Connection).sendFrom(stream))
    await begun
    connection.socket.destroy()
    expect(await told).to.match(/^ERR_FATE_UNKNOWN because ERR_(?:LOST|SOCKET)$/)
    await until(() => stream.destroyed)
  })

  it('S7 the peer closes between two parts: it was not sent, and both ends are in order', async () => {
    const world = await begin()
    const stream = new Tap()
    const told = fate(world.own.sendFrom(stream))
    await stream.give(pattern(300 * KIB))
    await until(() => (world.reads[0]?.bytes.length ?? 0) > 0)
    world.theirs.close()
    expect(await told).to.match(/^ERR_NOT_SENT/)
    expect(stream.destroyed).to.equal(true)
    expect(await world.own.closed).to.include({ code: 'normal', hadError: false, unsent: 1, unconfirmed: 0 })
    expect(await world.theirs.closed).to.include({ code: 'normal', hadError: false })
    expect(await world.done).to.equal(null)
    expect(world.reads.map(({ code }) => code)).to.deep.equal(['ERR_TOKEN_ABORTED'])
  })

  it('S7 close() of this side waits for the rest of it', async () => {
    const world = await begin()
    const stream = new Tap()
    const told = fate(world.own.sendFrom(stream))
    const bytes = pattern(600 * KIB)
    await stream.give(bytes.subarray(0, 300 * KIB))
    await until(() => (world.reads[0]?.bytes.length ?? 0) > 0)
    expect(world.own.close()).to.equal(true)
    await stream.give(bytes.subarray(300 * KIB))
    stream.push(null)
    expect(await told).to.equal('handed')
    expect(await world.own.closed).to.include({ code: 'normal', unsent: 0, unconfirmed: 0 })
    expect(world.reads[0]?.bytes.equals(bytes)).to.equal(true)
  })

  it('S7 close() of this side cuts it at the timeout when it does not end', async () => {
    const world = await begin()
    const stream = new Tap()
    const told = fate(world.own.sendFrom(stream))
    await stream.give(pattern(300 * KIB))
    await until(() => (world.reads[0]?.bytes.length ?? 0) > 0)
    world.own.close({ timeout: 100 })
    expect(await told).to.match(/^ERR_NOT_SENT/)
    expect(stream.destroyed).to.equal(true)
    expect(await world.own.closed).to.include({ code: 'ERR_CLOSE_TIMEOUT', unsent: 1 })
    await world.done
  })

  it('S7 a dead connection takes none, and destroys the stream', async () => {
    const world = await begin()
    world.own.destroy()
    await world.own.closed
    const stream = new Tap()
    expect(await fate(world.own.sendFrom(stream))).to.equal('ERR_NOT_SENT because ERR_ABORTED')
    expect([stream.destroyed, stream.reads]).to.deep.equal([true, 0])
  })

  it('S7 tokens behind a stream that waits keep their order, and those before it are not held up', async () => {
    const world = await begin()
    const stream = new Tap()
    await world.own.deliver(Buffer.from('first'))
    const told = fate(world.own.sendFrom(stream))
    const behind = world.own.deliver(Buffer.from('behind'))
    await stream.give(pattern(300 * KIB))
    stream.push(null)
    expect(await told).to.equal('handed')
    await behind
    expect(world.reads.map(({ bytes }) => bytes.length)).to.deep.equal([5, 300 * KIB, 6])
  })
})
