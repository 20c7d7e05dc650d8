import { expect } from 'chai'
import fc from 'fast-check'
import { hasRepeatedName } from '../../lib/token/repeated-name'

// On a failure fast-check prints `{ seed, path }`; SEED=… repeats that run.
const parameters = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }

/** A JSON text with what is known of it. */
interface Sample {
  readonly json: string
  readonly isRepeated: boolean
}

const text = fc.oneof(
  fc.string(),
  fc.constantFrom('a', 'b', '{', '}', '":"', '\\', '\\"', '[', ':', '__proto__', '')
)

/** One name in one of its spellings. */
const spelling = (name: string): fc.Arbitrary<string> =>
  fc.boolean().map(isEscaped => {
    if (!isEscaped) return JSON.stringify(name)
    return `"${[...name.split('')].map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
  })

const { value } = fc.letrec<{ value: Sample; list: Sample; object: Sample; plain: Sample }>(tie => ({
  value: fc.oneof({ depthSize: 'small' }, tie('plain'), tie('list'), tie('object')),
  plain: fc
    .oneof(text, fc.integer(), fc.boolean(), fc.constant(null))
    .map(plain => ({ json: JSON.stringify(plain), isRepeated: false })),
  list: fc.array(tie('value'), { maxLength: 4 }).map(items => ({
    json: `[${items.map(({ json }) => json).join(' , ')}]`,
    isRepeated: items.some(({ isRepeated }) => isRepeated)
  })),
  object: fc
    .array(
      text.chain(name => fc.tuple(fc.constant(name), spelling(name), tie('value'))),
      { maxLength: 4 }
    )
    .map(members => ({
      json: `{${members.map(([, name, { json }]) => `${name} : ${json}`).join(',')}}`,
      isRepeated:
        members.some(([, , { isRepeated }]) => isRepeated) ||
        new Set(members.map(([name]) => name)).size < members.length
    }))
}))

describe('A name that a JSON object has twice', () => {
  it('is found in any text, in all spellings, at all depths, and nowhere else (by chance)', () => {
    let repeated = 0
    fc.assert(
      fc.property(value, ({ json, isRepeated }) => {
        JSON.parse(json)
        if (isRepeated) repeated++
        expect(hasRepeatedName(json), json).to.equal(isRepeated)
      }),
      { numRuns: 2000, ...parameters }
    )
    expect(repeated).to.be.greaterThan(20)
  })

  it('is not one that two objects have, one in the other or beside it', () => {
    expect(hasRepeatedName('{"a":{"a":[{"a":1},{"a":2}]}}')).to.equal(false)
    expect(hasRepeatedName('{"a":"a","b":"\\"a\\":"}')).to.equal(false)
    expect(hasRepeatedName('{"a":{},"a":{}}')).to.equal(true)
    expect(hasRepeatedName('[{"b":1,"a":{"c":1},"b":2}]')).to.equal(true)
  })

  it('is looked for in ten thousand nested lists without an end of the stack', () => {
    expect(hasRepeatedName('['.repeat(10_000) + ']'.repeat(10_000))).to.equal(false)
  })
})
