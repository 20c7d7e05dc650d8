import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { closesWhatItOpened, isLong, onCleanUp } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client } from '../../lib/doors/node-client'
import { fromBase64url, toBase64url } from '../../lib/encoding/base64url'
import { randomBytes, randomId } from '../../lib/encoding/random-id'
import { admissionTag, textKey } from '../../lib/sealing/keys'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import { ONCE_PATH, proofHeaders } from '../../lib/transport/once'
import { onceRequest } from '../helpers/once-request'

const CONNECTIONS = isLong ? 1_000 : 250
/** Addresses of this machine from which they come. */
const ADDRESSES = 5
const MIB = 1_048_576
const LENGTH = MIB
/** What the bodies may take that are read at once, and as much again for what is on its way through the sockets. */
const MOST_MORE = 128 * MIB
/** Milliseconds; a machine that does other things takes long for TLS. */
const SERVED = 10_000
const KEY = toBase64url(randomBytes(32))
const PROGRAM = join(__dirname, '../programs/web-doors.js')

interface Door {
  readonly port: number
  readonly device: string
}

describe('R11: bodies of requests that strangers send', function () {
  this.timeout(isLong ? 600_000 : 120_000)
  closesWhatItOpened()
  let program: ChildProcess
  let doors: { readonly ca: string; readonly relay: Door; readonly device: Door }

  before(async () => {
    program = fork(PROGRAM, [KEY])
    const [told] = await once(program, 'message')
    doors = told
  })
  after(async () => {
    const gone = once(program, 'exit')
    program.disconnect()
    await gone
  })

  const rss = async (): Promise<number> => {
    program.send('usage')
    const [used] = (await once(program, 'message')) as [{ rss: number }]
    return used.rss
  }

  /** @param isWhole or all but the last byte */
  async function attack(
    door: Door,
    device: string,
    headers: Record<string, string>,
    isWhole: boolean
  ): Promise<void> {
    const isTls = door === doors.relay
    const frame = Buffer.from(onceRequest(device, new Uint8Array(LENGTH), ''))
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `POST ${ONCE_PATH}${device} HTTP/1.1\r\nhost: x\r\ncontent-length: ${frame.length}\r\n${lines.join('')}\r\n`
    const before = await rss()
    let most = before
    const sockets: Socket[] = []
    onCleanUp(() => {
      for (const socket of sockets) socket.destroy()
    })
    const url = `${isTls ? 'https://localhost' : 'http://127.0.0.1'}:${door.port}?device=${door.device}`
    const client = new Client({ tls: tls(), timeoutLength: SERVED })
    onCleanUp(() => client.close())
    await client.connect(url, KEY)
    let served = 0
    for (let index = 0; index < CONNECTIONS; index++) {
      const plain = connect({
        port: door.port,
        host: '127.0.0.1',
        localAddress: `127.0.0.${2 + (index % ADDRESSES)}`
      })
      const socket = isTls ? connectTls({ socket: plain, ...tls(), ALPNProtocols: ['http/1.1'] }) : plain
      sockets.push(plain)
      for (const each of new Set([plain, socket])) each.on('error', () => {})
      socket.write(head)
      socket.write(isWhole ? frame : frame.subarray(0, -1))
      socket.resume()
      if (index % 25 !== 24) continue
      await wait(50)
      most = Math.max(most, await rss())
      if (index % 125 === 124) expect(await client.send('x')).to.be.oneOf(['near', 'far'])
      served++
    }
    for (let times = 0; times < 10; times++) {
      await wait(100)
      most = Math.max(most, await rss())
    }
    console.log(`        ${((most - before) / MIB).toFixed(0)} MiB more`)
    expect(served).to.be.above(0)
    expect(most - before).to.be.below(MOST_MORE)
  }

  const tls = () => ({ ca: Buffer.from(fromBase64url(doors.ca) as Uint8Array), servername: 'localhost' })

  it(`take bounded memory of a relay, ${CONNECTIONS} of them for a device that is not there`, async () => {
    await attack(doors.relay, randomId(), {}, true)
  })

  it('and for a device that is there, without a proof', async () => {
    await attack(doors.relay, doors.relay.device, {}, false)
  })

  it('and with one, by somebody who has the key', async () => {
    const key = await textKey(KEY, doors.relay.device, nodeScrypt)
    const headers = proofHeaders({ tag: toBase64url(await admissionTag(key.psk)) })
    await attack(doors.relay, doors.relay.device, headers, false)
  })

  it('take bounded memory of a device that listens itself', async () => {
    await attack(doors.device, doors.device.device, {}, false)
    await attack(doors.device, doors.device.device, {}, true)
  })
})
