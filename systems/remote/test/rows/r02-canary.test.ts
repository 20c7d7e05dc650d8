import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { closesWhatItOpened, onCleanUp, remove, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { Client, Server } from '../../lib'
import { fromBase64url, toBase64url } from '../../lib/encoding/base64url'
import { randomBytes } from '../../lib/encoding/random-id'
import { RelayProgram } from '../helpers/relay-program'

const EVENT = 'canary-event-4711'
const PAYLOAD = 'canary-payload-4711'
const ANSWER = 'canary-answer-4711'

describe('R2: in the memory and in the log of a relay', function () {
  this.timeout(120_000)
  closesWhatItOpened()

  it('there is nothing of what it has carried, and no key', async function () {
    const folder = temporaryFolder()
    onCleanUp(() => remove(folder))
    const program = await RelayProgram.start({ folder })
    onCleanUp(() => program.kill())
    const tls = { ca: RelayProgram.ca(folder), servername: 'localhost' }
    const key = toBase64url(randomBytes(32))
    const device = new Server()
    onCleanUp(() => device.close({ timeout: 0 }))
    const url = `://localhost:${program.port}`
    await device.hostMiddleware(`wss${url}`, () => ({ text: ANSWER }), key, { tls })
    const { deviceId } = device.hub
    for (const scheme of ['wss', 'tokens', 'https']) {
      const client = new Client({ tls })
      onCleanUp(() => client.close())
      await client.connect(`${scheme}${url}?device=${deviceId}`, key)
      for (let index = 0; index < 20; index++)
        expect(await client.send(EVENT, { text: PAYLOAD, index })).to.deep.equal({ text: ANSWER })
    }

    const psk = Buffer.from(fromBase64url(key) as Uint8Array)
    const both = (text: string) => [Buffer.from(text, 'latin1'), Buffer.from(text, 'utf16le')]
    const secrets = [EVENT, PAYLOAD, ANSWER, key, psk.toString('hex'), psk.toString('base64')].flatMap(both)
    // Its admission tag is what the relay is given; the key itself is not.
    const found = search(program.process.pid as number, [...both(deviceId), ...secrets, psk])
    if (found === undefined) {
      if (process.env.CI === 'true')
        throw new Error('Cannot read the memory of a process that this one has started')
      console.log('      skipped: the memory of the relay can not be read')
      this.skip()
    }
    const [asBytes = 0, asWide = 0, ...others] = found.times
    console.log(
      `        ${(found.bytes / 1_048_576).toFixed(0)} MiB searched; the id of the device is there ${asBytes + asWide} times`
    )
    expect(asBytes + asWide, 'the search finds what is there').to.be.above(0)
    expect(others).to.deep.equal(others.map(() => 0))
    const { written } = program
    expect(written).to.include(deviceId)
    for (const secret of [EVENT, PAYLOAD, ANSWER, key, psk.toString('hex'), psk.toString('base64')])
      expect(written).not.to.include(secret)
  })
})

const PIECE = 4 * 1_048_576
const OVERLAP = 256

/** How often each of these stands in the memory of a process; undefined: it may not be read. */
function search(pid: number, needles: readonly Buffer[]): { times: number[]; bytes: number } | undefined {
  const times = needles.map(() => 0)
  let bytes = 0
  let memory: number
  try {
    memory = openSync(`/proc/${pid}/mem`, 'r')
  } catch {
    return undefined
  }
  const buffer = Buffer.alloc(PIECE)
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [, from = '', to = '', rights = ''] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? []
    // What can't be written was there before anything was carried.
    if (!rights.startsWith('rw')) continue
    const end = Number.parseInt(to, 16)
    for (let start = Number.parseInt(from, 16); start < end; start += PIECE - OVERLAP) {
      let length: number
      try {
        length = readSync(memory, buffer, 0, Math.min(PIECE, end - start), start)
      } catch {
        continue
      }
      bytes += length
      const piece = buffer.subarray(0, length)
      needles.forEach((needle, index) => {
        for (let at = piece.indexOf(needle); at >= 0; at = piece.indexOf(needle, at + 1))
          times[index] = (times[index] as number) + 1
      })
    }
  }
  closeSync(memory)
  return bytes === 0 ? undefined : { times, bytes }
}
