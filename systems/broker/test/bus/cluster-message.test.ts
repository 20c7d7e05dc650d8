import { expect } from 'chai'
import { decodeMessage, encodeMessage, MOST_AROUND_PAYLOAD } from '../../lib/bus/cluster-message'
import type { AedesPacket } from '../../lib/core/aedes-packet'

function message(more: Partial<AedesPacket> = {}): AedesPacket {
  return {
    cmd: 'publish',
    topic: '7_größe',
    payload: Buffer.from('{"a":1}'),
    qos: 1,
    retain: false,
    dup: false,
    brokerId: '0mabc-1',
    brokerCounter: 2 ** 53 - 1,
    ...more
  }
}

describe('A message between brokers', () => {
  for (const qos of [0, 1, 2] as const) {
    for (const retain of [false, true]) {
      it(`comes as it was sent: QoS ${qos}, ${retain ? 'retained' : 'not retained'}`, () => {
        const sent = message({ qos, retain })
        expect(decodeMessage(encodeMessage(sent))).to.deep.equal(sent)
      })
    }
  }

  it('keeps the verified sender', () => {
    const properties = { userProperties: { sub: 'ähm/1', kind: 'device' } }
    expect(decodeMessage(encodeMessage(message({ properties }))).properties).to.deep.equal(properties)
    expect(decodeMessage(encodeMessage(message()))).not.to.have.property('properties')
  })

  it('adds a few bytes to the payload, and never more than its bound', () => {
    const payload = Buffer.alloc(128)
    expect(encodeMessage(message({ payload, topic: '68946_list' })).length - 128).to.be.below(40)
    const properties = { userProperties: { sub: 's'.repeat(65_535), kind: 'k'.repeat(255) } }
    const longest = message({ topic: 't'.repeat(65_535), brokerId: 'b'.repeat(255), properties, payload })
    expect(encodeMessage(longest).length - 128).to.be.at.most(MOST_AROUND_PAYLOAD)
  })

  it('keeps its payload when what it came with is overwritten', () => {
    const bytes = encodeMessage(message())
    const { payload } = decodeMessage(bytes)
    bytes.fill(0)
    expect(payload.toString()).to.equal('{"a":1}')
  })

  it('is refused when it is cut off anywhere before its payload', () => {
    const bytes = encodeMessage(message({ payload: Buffer.alloc(0) }))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length)), `${length} bytes`).to.throw(RangeError)
    }
  })
})
