import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { checkToken } from '../../lib/wire/check-token'
import { refusal } from '../helpers/refusal'

describe('checkToken', () => {
  it('lets Buffers and Uint8Arrays through, empty ones too, up to the limit', () => {
    checkToken(Buffer.alloc(0), 8)
    checkToken(Buffer.alloc(8), 8)
    checkToken(new Uint8Array(8), 8)
  })

  it('lets a Uint8Array of another realm through (vm, jest)', () => {
    checkToken(runInNewContext('new Uint8Array(8)'), 8)
  })

  it('refuses one byte more, and says both numbers', () => {
    const error = refusal(() => checkToken(Buffer.alloc(9), 8))
    expect(error.code).to.equal('ERR_TOKEN_TOO_LARGE')
    expect(error.message).to.equal('Cannot send a token: its length is 9 bytes, maxTokenLength is 8')
  })

  const others: [unknown, string][] = [
    ['secret', 'string'],
    [5, 'number'],
    [undefined, 'undefined'],
    [null, 'null'],
    [{ length: 3 }, 'Object'],
    [Object.create(null), 'an object'],
    [[1, 2], 'Array'],
    [new ArrayBuffer(2), 'ArrayBuffer'],
    [new Uint16Array(2), 'Uint16Array'],
    [new DataView(new ArrayBuffer(2)), 'DataView'],
    [() => {}, 'function']
  ]
  for (const [value, kind] of others) {
    it(`refuses ${kind}, and says what it is and not what is in it`, () => {
      const error = refusal(() => checkToken(value as Uint8Array, 8))
      expect(error.code).to.equal('ERR_TOKEN_TYPE')
      expect(error.message).to.equal(`Cannot send a token: it must be a Buffer or Uint8Array, got ${kind}`)
    })
  }
})
