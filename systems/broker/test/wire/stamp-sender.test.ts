import { expect } from 'chai'
import fc from 'fast-check'
import { stampSender } from '../../lib/wire/stamp-sender'

function stamp(text: string, id = '68946'): string {
  return stampSender(Buffer.from(text), id).toString()
}

describe('The sender in a JSON payload', () => {
  it('is added first, and all else keeps its text', () => {
    expect(stamp('{}')).to.equal('{"user_id":"68946"}')
    expect(stamp(' {"a": 1.50, "b":[{"user_id":7}], "c":"}\\",{"} ')).to.equal(
      '{"user_id":"68946","a": 1.50,"b":[{"user_id":7}],"c":"}\\",{"}'
    )
  })

  it('leaves the bytes alone when it is right', () => {
    for (const text of ['{"user_id":"68946"}', '{ "x":1, "user_id" : 68946 }\n']) {
      const payload = Buffer.from(text)
      expect(stampSender(payload, '68946')).to.equal(payload)
    }
  })

  it('replaces one that differs, in whatever form it comes', () => {
    for (const claim of [
      '"user_id":"1"',
      '"user_id":1',
      '"user_id":null',
      '"user_id":{"x":"68946"}',
      '"user\\u005fid":"1"',
      '"User_Id":"68946"',
      '"USER_ID":"1"',
      '"user_id":"68946","user_id":"1"',
      '"user_id":"1","user_id":"68946"',
      '"user_id":"68946","user_id":"68946"',
      '"user_id":68946.0',
      '"user_id":6.8946e4'
    ]) {
      expect(stamp(`{"a":1,${claim},"b":2}`), claim).to.equal('{"user_id":"68946","a":1,"b":2}')
    }
  })

  it('tells large numbers apart by their digits', () => {
    expect(stamp('{"user_id":9007199254740993}', '9007199254740992')).to.equal(
      '{"user_id":"9007199254740992"}'
    )
    expect(stamp('{"user_id":9007199254740993}', '9007199254740993')).to.equal('{"user_id":9007199254740993}')
  })

  it('leaves whatever is no JSON object as it is', () => {
    for (const bytes of ['', 'on', '[1]', '"x"', '{', '{"a":1', '{a:1}', '\u0000{', 'null']) {
      expect(stamp(bytes)).to.equal(bytes)
    }
    const binary = Buffer.from([0x7b, 0xff, 0x7d])
    expect(stampSender(binary, '1')).to.equal(binary)
  })

  it('is the only one, and the rest of the object is equal, for any object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string({ minLength: 1 }), (object, id) => {
        const stamped = JSON.parse(stamp(JSON.stringify(object), id)) as Record<string, unknown>
        expect(String(stamped.user_id)).to.equal(id)
        const others = (of: object) => Object.entries(of).filter(([key]) => key.toLowerCase() !== 'user_id')
        expect(others(stamped)).to.deep.equal(others(JSON.parse(JSON.stringify(object))))
      })
    )
  })
})
