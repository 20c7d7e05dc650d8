import { deepStrictEqual } from 'node:assert'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { BufferView } from '../../lib/runtime/buffer-view'

describe('BufferView', () => {
  const memory = Buffer.from('..hello..')
  const view = new BufferView(memory.buffer, memory.byteOffset + 2, 5)
  const same = Buffer.from('hello')

  it('makes views that nothing tells from another Buffer', () => {
    expect(Buffer.isBuffer(view)).to.equal(true)
    expect(Object.getPrototypeOf(view)).to.equal(Buffer.prototype)
    expect(view.constructor).to.equal(Buffer)
    deepStrictEqual(view, same)
    expect([inspect(view), String(view), JSON.stringify(view)]).to.deep.equal([
      inspect(same),
      'hello',
      JSON.stringify(same)
    ])
    expect(structuredClone(view)).to.deep.equal(structuredClone(same))
  })

  it('makes views whose slices are Buffers of the same memory', () => {
    for (const slice of [view.subarray(1, 3), view.slice(1, 3)]) {
      expect(Buffer.isBuffer(slice)).to.equal(true)
      expect([String(slice), slice.buffer]).to.deep.equal(['el', memory.buffer])
    }
    expect(inspect(view.map(byte => byte + 1))).to.equal(inspect(same.map(byte => byte + 1)))
  })
})
