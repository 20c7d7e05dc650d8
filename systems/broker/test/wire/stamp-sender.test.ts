import { expect } from 'chai'
import fc from 'fast-check'
import { stampSender } from '../../lib/wire/stamp-sender'

function stamp(text: string, id = '68946'): string {
  return String(stampSender(Buffer.from(text), id))
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
      '"u\u017fer_id":"1"',
      '"\uff55ser_id":"1"',
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

  it('is refused in what is no JSON, and what some parsers read all the same', () => {
    const claim = '{"user_id":"1","x":1}'
    const payloads = {
      'bytes that are no UTF-8': Buffer.concat([
        Buffer.from('{"user_id":"1","x":"'),
        Buffer.of(0xff),
        Buffer.from('"}')
      ]),
      'a byte order mark': Buffer.from(`\ufeff${claim}`),
      'UTF-16, little endian': Buffer.from(claim, 'utf16le'),
      'UTF-16, big endian': Buffer.from(claim, 'utf16le').swap16(),
      'UTF-32': Buffer.from([...Buffer.from(claim)].flatMap(byte => [byte, 0, 0, 0])),
      NaN: Buffer.from('{"user_id":"1","x":NaN}'),
      'text behind the object': Buffer.from(`${claim} x`),
      'a second object': Buffer.from(`${claim}${claim}`),
      'a comment before it': Buffer.from(`/* */ ${claim}`),
      'a comma behind the last entry': Buffer.from('{"user_id":"1",}'),
      'a key without quotes': Buffer.from('{user_id: 1}'),
      'single quotes': Buffer.from("{'user_id' : '1'}"),
      'an escape in the key': Buffer.from('{"user\\u005fid":"1",}'),
      'a no-break space before it': Buffer.from(`\u00a0${claim}`)
    }
    for (const [name, payload] of Object.entries(payloads))
      expect(stampSender(payload, '68946'), name).to.equal(undefined)
  })

  it('leaves what is no JSON and names nobody as it is, of any length in a short time', () => {
    for (const text of [
      'user_id: 1',
      'user_id={}',
      '[{"user_id":1}]',
      '{"a":"user_id"',
      '{x}',
      '"{\\"user_id\\":1}"'
    ]) {
      expect(stamp(text)).to.equal(text)
    }
    for (const text of [
      '{',
      '{user_id',
      '{"user_id" '.repeat(20),
      `{user_id${' '.repeat(20)}`,
      '\\u00',
      '{\\u0041',
      '{a\u0301\u0323',
      `{${'\u0301\u0323'.repeat(1_000)}`,
      '{\ufdfa'
    ]) {
      const payload = Buffer.from(text.repeat(Math.ceil(262_144 / text.length)))
      const start = performance.now()
      expect(stampSender(payload, '1')).to.equal(payload)
      expect(performance.now() - start).to.be.below(2_000)
    }
  })

  it('takes a short time for keys of any length', () => {
    for (const text of ['a\u0301\u0323', '\ufdfa', 'x']) {
      const payload = Buffer.from(JSON.stringify({ [text.repeat(262_144 / Buffer.byteLength(text))]: 1 }))
      const start = performance.now()
      expect(stampSender(payload, '1')?.subarray(0, 15).toString()).to.equal('{"user_id":"1",')
      expect(performance.now() - start).to.be.below(2_000)
    }
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
