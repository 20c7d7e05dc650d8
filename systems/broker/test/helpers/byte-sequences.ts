import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { openToAll } from './open-broker'
import { TestBroker } from './test-broker'

interface Step {
  readonly type: string
  readonly payload?: string
  readonly topic?: string
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

interface Sequence {
  readonly name: string
  readonly ver?: number
  readonly connect?: boolean
  readonly expect_disconnect?: boolean
  readonly msgs: readonly Step[]
}

/** How long an answer may take, in milliseconds. */
const PATIENCE = 250

/** @returns how many did as their files say, and what the others did */
export async function runByteSequences(folder: string): Promise<{ passed: number; differences: string[] }> {
  const test = await TestBroker.start(openToAll())
  let passed = 0
  const differences: string[] = []
  try {
    for (const { group, sequence } of sequencesOf(folder)) {
      const difference = await run(test, sequence)
      if (difference === undefined) passed++
      else differences.push(`${group} | ${sequence.name} | ${difference}`)
    }
  } finally {
    await test.stop()
  }
  return { passed, differences }
}

function sequencesOf(folder: string): { group: string; sequence: Sequence }[] {
  return readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .flatMap(
      name => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { group: string; tests: Sequence[] }[]
    )
    .filter(({ group }) => group.startsWith('v3.1'))
    .flatMap(({ group, tests }) => tests.map(sequence => ({ group, sequence })))
}

class Peer {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  isClosed = false
  #wake = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', bytes => {
      this.#received = Buffer.concat([this.#received, bytes])
      this.#wake()
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  /** So many bytes, or fewer when no more come. */
  async take(count: number): Promise<Buffer> {
    await this.#within(() => this.#received.length >= count || this.isClosed)
    const taken = this.#received.subarray(0, count)
    this.#received = this.#received.subarray(count)
    return taken
  }

  async closes(): Promise<boolean> {
    await this.#within(() => this.isClosed)
    return this.isClosed
  }

  async #within(holds: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE
    while (!holds() && performance.now() < end) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 20)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** @returns what differs */
async function run(test: TestBroker, sequence: Sequence): Promise<string | undefined> {
  const socket = connect({ port: test.port, host: '127.0.0.1', noDelay: true })
  const peer = new Peer(socket)
  try {
    await once(socket, 'connect')
    if (sequence.connect !== false) {
      socket.write(connectOf(sequence.ver ?? 4))
      if ((await peer.take(4)).length < 4) return 'no CONNACK'
    }
    for (const step of sequence.msgs) {
      const difference = await runStep(test, peer, step)
      if (difference !== undefined) return difference
    }
    if (sequence.expect_disconnect !== false) return (await peer.closes()) ? undefined : 'left open'
    socket.write(Buffer.from([0xc0, 0]))
    const answer = await peer.take(2)
    return answer.equals(Buffer.from([0xd0, 0])) ? undefined : `no PINGRESP${peer.isClosed ? ', closed' : ''}`
  } finally {
    socket.destroy()
  }
}

async function runStep(test: TestBroker, peer: Peer, step: Step): Promise<string | undefined> {
  const { type, payload = '', topic = '', qos = 0, retain = false } = step
  if (type === 'send') {
    if (!peer.isClosed) peer.socket.write(bytesOf(payload))
  } else if (type === 'recv') {
    const expected = bytesOf(payload)
    const received = await peer.take(expected.length)
    if (!received.equals(expected))
      return `got ${received.toString('hex')}, expected ${expected.toString('hex')}`
  } else if (type === 'publish') {
    await test.broker.publish({ topic, payload: step.payload ?? 'message', qos, retain })
  } else {
    return `a step of type ${type}`
  }
  return undefined
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s+/g, ''), 'hex')
}

function connectOf(level: number): Buffer {
  const name = level === 3 ? 'MQIsdp' : 'MQTT'
  const id = 'seq-test'
  const body = Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([level, 2, 0, 60, 0, id.length]),
    Buffer.from(id)
  ])
  return Buffer.concat([Buffer.from([0x10, body.length]), body])
}
