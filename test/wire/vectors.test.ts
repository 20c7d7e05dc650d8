import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { FrameReader } from '../../lib/receiving/frame-reader'
import { bytes, drain } from '../helpers/bytes'
import { QueuedWriter } from '../helpers/queued-writer'

/** The format of test/vectors/README.md. */
type Bytes = string | { repeat: string; times: number } | Bytes[]

interface Vector {
  name: string
  hex: Bytes
  maxTokenLength?: number
}

interface Token1Vector extends Vector {
  expected: Bytes[]
  error?: string
  encodes?: false
}

const ROOT = join(__dirname, '../../..')
const FILES = ['token-1', 'token-2-frames', 'token-2-sequences'] as const

function load<T extends Vector>(file: (typeof FILES)[number]): T[] {
  return JSON.parse(readFileSync(join(ROOT, 'test/vectors', `${file}.json`), 'utf8'))
}

function decode(value: Bytes): Buffer {
  if (typeof value === 'string') return bytes(value)
  if (Array.isArray(value)) return Buffer.concat(value.map(decode))
  return Buffer.concat(Array<Buffer>(value.times).fill(bytes(value.repeat)))
}

/** The tokens in hex, then the name of the error, if any. The input ends after the chunks. */
function outcome(chunks: Buffer[], maxTokenLength: number): string[] {
  const reader = new FrameReader(maxTokenLength)
  const log: string[] = []
  try {
    for (const chunk of chunks) {
      reader.push(chunk)
      for (let token = reader.next(); token !== null; token = reader.next()) log.push(token.toString('hex'))
    }
  } catch (error) {
    return [...log, (error as { code: string }).code]
  }
  return reader.isMidFrame ? [...log, 'ERR_TRUNCATED'] : log
}

/** Every place of a short input; of a long one those near its borders and some in between. */
function cutsOf(length: number): number[] {
  const all = Array.from({ length: length + 1 }, (_, at) => at)
  return length <= 600
    ? all
    : all.filter(at => at < 16 || at > length - 16 || at % 4093 === 0 || at % 16_384 < 2)
}

describe('the vectors of token-1.json', () => {
  const vectors = load<Token1Vector>('token-1')

  it('are there, each under a name of its own', () => {
    expect(vectors.length).to.be.above(40)
    expect(new Set(vectors.map(vector => vector.name)).size).to.equal(vectors.length)
  })

  for (const vector of vectors) {
    const input = decode(vector.hex)
    const limit = vector.maxTokenLength ?? 8_388_608
    const expected = vector.expected.map(token => decode(token).toString('hex'))
    if (vector.error !== undefined) expected.push(vector.error)
    const agrees = (chunks: Buffer[], how: string) => {
      const result = outcome(chunks, limit)
      if (result.join() !== expected.join() || result.length !== expected.length) {
        throw new Error(`${how}: ${result.join().slice(0, 200)} instead of ${expected.join().slice(0, 200)}`)
      }
    }

    it(`${vector.name} is read whole, byte by byte and cut in two`, () => {
      agrees([input], 'whole')
      agrees(
        Array.from(input, (_byte, at) => input.subarray(at, at + 1)),
        'byte by byte'
      )
      for (const cut of cutsOf(input.length))
        agrees([input.subarray(0, cut), input.subarray(cut)], `cut at ${cut}`)
    })

    if (vector.error === undefined && vector.encodes !== false) {
      it(`${vector.name} is written`, () => {
        const writer = new QueuedWriter()
        for (const token of vector.expected) writer.push(decode(token))
        expect(Buffer.concat(drain(writer)).equals(input)).to.equal(true)
      })
    }
  }
})

describe('docs/wire-format.md', () => {
  const page = readFileSync(join(ROOT, 'docs/wire-format.md'), 'utf8')
  const blocks = [...page.matchAll(/^```hex (\S+)\n([\s\S]*?)^```$/gm)]
  const byName = new Map<string, Buffer>()
  for (const file of FILES) {
    for (const vector of load(file)) byName.set(`${file}/${vector.name}`, decode(vector.hex))
  }

  it('has hex blocks, and each names its vector', () => {
    expect(blocks.length).to.be.above(20)
    expect(page.match(/^```hex\b/gm)?.length).to.equal(blocks.length)
  })

  for (const [, name, hex] of blocks as unknown as [string, string, string][]) {
    it(`shows the bytes of ${name}`, () => {
      expect(byName.has(name)).to.equal(true)
      expect(bytes(hex)).to.deep.equal(byName.get(name))
    })
  }
})
