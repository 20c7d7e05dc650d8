import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { guardSocket } from '../../lib/core/guard-socket'
import { connectBytes } from '../helpers/packets'

const PINGREQ = Buffer.from([0xc0, 0])
const LIMITS = { maxConnectBytes: 65_536, maxPacketBytes: 262_144 }
const READ_AT_ONCE = 16_384

describe('The guard of a socket', () => {
  it('reads not much of a client that takes nothing, and goes on when it has taken what was sent', async () => {
    const taken: (() => void)[] = []
    const bytes = Buffer.concat(Array.from({ length: 200_000 }, () => PINGREQ))
    let at = 0
    const stream = new Duplex({
      writableHighWaterMark: 10,
      read() {
        this.push(at < bytes.length ? bytes.subarray(at, at + READ_AT_ONCE) : null)
        at += READ_AT_ONCE
      },
      write(_chunk, _encoding, done) {
        taken.push(done)
      }
    })
    let read = 0
    guardSocket(stream, LIMITS, violation => {
      throw violation
    })
    stream.unshift(connectBytes('token'))
    stream.on('readable', () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        read += chunk.length
        stream.write('an answer that nobody takes')
      }
    })
    for (let turn = 0; turn < 100; turn++) await nextTurn()
    expect(read).to.be.lessThan(150_000)
    const before = read
    const taking = setInterval(() => {
      for (const done of taken.splice(0)) done()
    })
    await new Promise(resolve => stream.once('end', resolve))
    clearInterval(taking)
    expect(read).to.be.greaterThan(before)
    expect(read).to.be.at.least(bytes.length)
  })
})
