import { expect } from 'chai'
import {
  CONTROL_BIT,
  costOf,
  HEADER_LENGTH,
  MAX_CONTROL_LENGTH,
  readHeader,
  WIRE_MAX_TOKEN_LENGTH,
  writeHeader
} from '../../lib/wire/header'
import { bytes } from '../helpers/bytes'

describe('wire', () => {
  it('has the numbers of docs/wire-format.md', () => {
    expect(HEADER_LENGTH).to.equal(4)
    expect(WIRE_MAX_TOKEN_LENGTH).to.equal(2 ** 31 - 1)
    expect(CONTROL_BIT).to.equal(2 ** 31)
    expect(MAX_CONTROL_LENGTH).to.equal(1024)
    expect([costOf(0), costOf(3)]).to.deep.equal([4, 7])
  })

  const headers: [string, number][] = [
    ['00 00 00 00', 0],
    ['00 00 00 01', 1],
    ['00 00 01 00', 256],
    ['00 80 00 00', 8_388_608],
    ['7f ff ff ff', 0x7fff_ffff],
    ['80 00 00 00', 0x8000_0000],
    ['ff ff ff ff', 0xffff_ffff]
  ]
  for (const [hex, length] of headers) {
    it(`writes and reads ${length} as ${hex}`, () => {
      const target = Buffer.alloc(4)
      writeHeader(target, 0, length)
      expect(target).to.deep.equal(bytes(hex))
      expect(readHeader(bytes(hex), 0)).to.equal(length)
    })
  }

  it('touches only the four bytes at the offset', () => {
    const target = new Uint8Array(8).fill(0xee)
    writeHeader(target, 2, 0x0102_0304)
    expect([...target]).to.deep.equal([0xee, 0xee, 1, 2, 3, 4, 0xee, 0xee])
    expect(readHeader(target, 2)).to.equal(0x0102_0304)
  })
})
