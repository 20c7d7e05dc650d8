import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { closesWhatItOpened, onCleanUp, until } from '@token-server/test-helpers'
import { expect } from 'chai'
import { HostListener } from '../../lib/server/host-listener'
import { Visitors } from '../../lib/server/visitors'
import { LINK_LIMITS } from '../../lib/transport/link-limits'
import { type FrameParts, frameBytes, RawWebSocket } from '../helpers/raw-web-socket'

const MIB = 1_048_576
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10]
const MOST = LINK_LIMITS.maxFrameBytes

describe('R13: the WebSocket side', () => {
  closesWhatItOpened()

  async function open(): Promise<RawWebSocket> {
    const listener = await HostListener.open(
      { port: 0 },
      {
        onLink: link => {
          link.onFrame = frame => {
            if (frame.length < 200_000) link.trust?.()
            link.send(frame)
          }
        },
        visitors: new Visitors(),
        fetch: () => new Response(null, { status: 404 })
      }
    )
    onCleanUp(() => listener.close(100))
    return RawWebSocket.open(listener.address.port)
  }

  /** Opens one that is trusted already. */
  async function openTrusted(): Promise<RawWebSocket> {
    const raw = await open()
    raw.send(BINARY, Buffer.of(1))
    await raw.next()
    return raw
  }

  async function refused(code: number, ...sent: [number, Uint8Array?, FrameParts?][]): Promise<void> {
    const raw = await openTrusted()
    for (const frame of sent) raw.send(...frame)
    expect(await raw.closed()).to.equal(code)
    expect(raw.frames.filter(({ opcode }) => opcode !== PONG)).to.deep.equal([])
  }

  it('takes no deflate, though a client offers it', async () => {
    expect((await open()).head.toLowerCase()).not.to.include('sec-websocket-extensions')
  })

  it('says messages of all lengths back as they were', async () => {
    const raw = await openTrusted()
    for (const length of [0, 1, 125, 126, 127, 128, 65_535, 65_536, MOST]) {
      const payload = Buffer.alloc(length, length % 251)
      raw.send(BINARY, payload)
      const { opcode, payload: came } = await raw.next()
      expect([opcode, came.equals(payload)], `${length}`).to.deep.equal([BINARY, true])
    }
  })

  it('closes with 1009 for one byte more than a frame may have: announced, sent, or in fragments', async () => {
    await refused(1009, [BINARY, Buffer.alloc(0), { announced: MOST + 1 }])
    await refused(1009, [BINARY, Buffer.alloc(MOST + 1)])
    await refused(1009, [BINARY, Buffer.alloc(MOST), { isFinal: false }], [CONTINUATION, Buffer.of(1)])
    await refused(1009, [BINARY, Buffer.alloc(0), { announced: Number.MAX_SAFE_INTEGER }])
  })

  it('closes with 1002 for frames that are not masked', async () => {
    await refused(1002, [BINARY, Buffer.of(1), { isMasked: false }])
    await refused(1002, [PING, Buffer.alloc(0), { isMasked: false }])
  })

  it('closes with 1002 for reserved bits and opcodes', async () => {
    for (const reserved of [1, 2, 4, 7]) await refused(1002, [BINARY, Buffer.of(1), { reserved }])
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) await refused(1002, [opcode])
  })

  it('joins fragments, with pings between them, and closes with 1002 for those in disorder', async () => {
    const raw = await openTrusted()
    raw.send(BINARY, Buffer.from('he'), { isFinal: false })
    raw.send(PING, Buffer.from('still there?'))
    raw.send(CONTINUATION, Buffer.from('ll'), { isFinal: false })
    raw.send(CONTINUATION, Buffer.from('o'))
    expect(await raw.next()).to.deep.equal({ opcode: PONG, payload: Buffer.from('still there?') })
    expect(await raw.next()).to.deep.equal({ opcode: BINARY, payload: Buffer.from('hello') })
    await refused(1002, [CONTINUATION, Buffer.of(1)])
    await refused(1002, [BINARY, Buffer.of(1), { isFinal: false }], [BINARY, Buffer.of(1)])
    await refused(1002, [PING, Buffer.of(1), { isFinal: false }])
  })

  it('takes a frame that comes byte by byte', async () => {
    const raw = await openTrusted()
    for (const byte of frameBytes(BINARY, Buffer.alloc(200, 7))) {
      raw.socket.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    expect((await raw.next()).payload).to.deep.equal(Buffer.alloc(200, 7))
  })

  it('closes one that sends a message in thousands of fragments of a byte', async () => {
    const raw = await openTrusted()
    raw.send(BINARY, Buffer.of(1), { isFinal: false })
    raw.socket.write(
      Buffer.concat(Array(2_000).fill(frameBytes(CONTINUATION, Buffer.of(1), { isFinal: false })))
    )
    expect(await raw.closed()).to.equal(1008)
  })

  it('answers pings of up to 125 bytes, and closes with 1002 for a longer one', async () => {
    const raw = await openTrusted()
    for (const length of [0, 1, 125]) {
      raw.send(PING, Buffer.alloc(length, 1))
      expect(await raw.next()).to.deep.equal({ opcode: PONG, payload: Buffer.alloc(length, 1) })
    }
    raw.send(PONG, Buffer.from('nobody asked'))
    raw.send(BINARY, Buffer.of(1))
    expect((await raw.next()).opcode).to.equal(BINARY)
    await refused(1002, [PING, Buffer.alloc(126)])
  })

  it('takes no text: 4000, and 1007 where it is no UTF-8', async () => {
    await refused(4000, [TEXT, Buffer.from('{}')])
    await refused(1007, [TEXT, Buffer.of(0xce, 0xba, 0xff)])
  })

  it('answers a close with its code, and a bad one with 1002 or 1007', async () => {
    const code = (value: number, reason = Buffer.alloc(0)) =>
      Buffer.concat([Buffer.of(value >> 8, value & 255), reason])
    for (const good of [1000, 1001, 1003, 1011, 3000, 4999]) await refused(good, [CLOSE, code(good)])
    for (const bad of [0, 999, 1004, 1005, 1006, 1016, 1100, 2999, 5000, 65_535])
      await refused(1002, [CLOSE, code(bad)])
    await refused(1005, [CLOSE])
    await refused(1002, [CLOSE, Buffer.of(3)])
    await refused(1000, [CLOSE, code(1000, Buffer.alloc(123, 'a'))])
    await refused(1002, [CLOSE, code(1000, Buffer.alloc(124, 'a'))])
    await refused(1007, [CLOSE, code(1000, Buffer.of(0xff))])
    // What comes behind a close is not read.
    await refused(1000, [CLOSE, code(1000)], [BINARY, Buffer.of(1)], [PING])
  })

  describe('with 100 attackers', function () {
    this.timeout(60_000)
    let listener: ChildProcess
    let port: number

    before(async () => {
      listener = fork(join(__dirname, '../programs/echo-listener.js'), { execArgv: ['--expose-gc'] })
      const [told] = (await once(listener, 'message')) as [{ port: number }]
      port = told.port
      // What the first clients need once is no matter of attackers.
      const honest = await Promise.all(Array.from({ length: 100 }, () => RawWebSocket.open(port)))
      for (let round = 0; round < 20; round++) {
        for (const raw of honest) raw.send(BINARY, Buffer.alloc(60_000, 2))
        for (const raw of honest) await raw.next()
      }
      const small = Buffer.concat(Array(500).fill(frameBytes(BINARY, Buffer.alloc(125))))
      for (const raw of honest) raw.socket.write(small)
      await until(() => honest.every(({ frames }) => frames.length >= 500))
      for (const raw of honest) raw.socket.destroy()
    })

    after(() => listener.kill('SIGKILL'))

    async function rss(): Promise<number> {
      listener.send('rss')
      const [told] = (await once(listener, 'message')) as [{ rss: number }]
      return told.rss
    }

    /** @returns by how much the memory of the listener grew at most, in MiB */
    async function growth(attack: (raw: RawWebSocket) => Promise<void>): Promise<number> {
      const before = await rss()
      const all = await Promise.all(Array.from({ length: 100 }, () => RawWebSocket.open(port)))
      let most = 0
      let isOver = false
      const attacked = Promise.all(all.map(attack)).then(() => {
        isOver = true
      })
      while (!isOver) {
        most = Math.max(most, await rss())
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      await attacked
      most = Math.max(most, await rss())
      const honest = await RawWebSocket.open(port)
      honest.send(BINARY, Buffer.from('still there?'))
      expect((await honest.next()).payload.toString()).to.equal('still there?')
      const grown = (most - before) / MIB
      console.log(`      memory grew by ${grown.toFixed(1)} MiB`)
      return grown
    }

    it('who begin a frame of 1 MiB and leave it so, it keeps less than 10 MiB', async () => {
      const half = frameBytes(BINARY, Buffer.alloc(MIB - 1), { announced: MIB })
      expect(
        await growth(async raw => {
          raw.socket.write(half)
          await raw.closed()
        })
      ).to.be.below(10)
    })

    it('who announce more than a frame may have, it keeps less than 10 MiB', async () => {
      const long = frameBytes(BINARY, Buffer.alloc(MIB), { announced: 100 * MIB })
      expect(
        await growth(async raw => {
          raw.socket.write(long)
          expect(await raw.closed()).to.equal(1009)
        })
      ).to.be.below(10)
    })

    it('who send fragments of a byte, it keeps less than 10 MiB', async () => {
      const tiny = Buffer.concat(
        Array(1_000).fill(frameBytes(CONTINUATION, Buffer.of(1), { isFinal: false }))
      )
      expect(
        await growth(async raw => {
          raw.send(BINARY, Buffer.of(1), { isFinal: false })
          for (let more = 0; more < 5; more++) raw.socket.write(tiny)
          await raw.closed()
        })
      ).to.be.below(10)
    })

    it('who flood it with pings and read no answer, it keeps less than 10 MiB', async () => {
      const pings = Buffer.concat(Array(1_000).fill(frameBytes(PING, Buffer.alloc(125))))
      expect(
        await growth(async raw => {
          raw.socket.pause()
          for (let more = 0; more < 20 && !raw.socket.destroyed; more++) raw.socket.write(pings)
          raw.socket.resume()
          await until(() => raw.socket.destroyed || raw.frames.length >= 20_000)
        })
      ).to.be.below(10)
    })
  })
})
