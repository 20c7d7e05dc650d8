import { expect } from 'chai'
import {
  type Checks,
  checkOptions,
  has,
  isEither,
  isFlag,
  isFunction,
  isText,
  listOf,
  needed,
  only,
  wholeNumber
} from '../../lib/options/check-options'

interface Options {
  readonly name: string
  readonly flag?: boolean
  readonly qos?: 0 | 1
  readonly names?: readonly string[]
  readonly token?: string | (() => string)
  readonly log?: { warn(): void }
  readonly limits?: { readonly most?: number }
}

const CHECKS: Checks<Options> = {
  name: needed(isText),
  flag: isFlag,
  qos: only(0, 1),
  names: listOf(isText),
  token: isEither(isText, isFunction),
  log: has('warn'),
  limits: { most: wholeNumber(1, 9) }
}

describe('checkOptions', () => {
  const check = (options: unknown) =>
    checkOptions(options as Options, CHECKS, (name, why) => new Error(`${name}: ${why}`))

  it('takes what each option may be, and undefined for one that is not given', () => {
    const all = { flag: false, qos: 1, names: ['a'], token: () => 'x', log: console, limits: { most: 9 } }
    check({ name: 'a', ...all })
    check({ name: 'a', ...Object.fromEntries(Object.keys(all).map(name => [name, undefined])) })
  })

  const wrong: readonly (readonly [unknown, string])[] = [
    [undefined, 'options: it is no object'],
    [[], 'options: it is no object'],
    [{}, 'name: it is no text, or empty'],
    [{ name: undefined }, 'name: it is no text, or empty'],
    [{ name: 'a', nmae: 'a' }, 'nmae: there is none of this name: did you mean name?'],
    [{ name: 'a', NAMES: [] }, 'NAMES: there is none of this name: did you mean names?'],
    [{ name: 'a', colour: 1 }, 'colour: there is none of this name'],
    [{ name: 'a', constructor: 1 }, 'constructor: there is none of this name'],
    [{ name: 'a', flag: 'false' }, 'flag: it is neither true nor false'],
    [{ name: 'a', flag: null }, 'flag: it is neither true nor false'],
    [{ name: 'a', qos: 2 }, 'qos: it is not one of 0, 1'],
    [{ name: 'a', names: 'a' }, 'names: it is no list'],
    [{ name: 'a', names: ['a', 5] }, 'names: it is a list whose number 2 is no text, or empty'],
    [{ name: 'a', token: 5 }, 'token: it is no text, or empty, and no function'],
    [{ name: 'a', log: {} }, 'log: it is nothing with the functions warn'],
    [{ name: 'a', limits: null }, 'limits: it is no object'],
    [{ name: 'a', limits: { mots: 1 } }, 'limits.mots: there is none of this name: did you mean most?'],
    [{ name: 'a', limits: { most: Number.NaN } }, 'limits.most: it is no whole number from 1 to 9']
  ]
  for (const [options, message] of wrong) {
    it(`says "${message}"`, () => {
      expect(() => check(options))
        .to.throw(Error)
        .with.property('message', message)
    })
  }

  it('has the compiler demand a check of each option, and that a needed one is needed', () => {
    // @ts-expect-error: flag is missing
    const missing: Checks<Pick<Options, 'name' | 'flag'>> = { name: needed(isText) }
    // @ts-expect-error: name is needed
    const optional: Checks<Pick<Options, 'name'>> = { name: isText }
    expect([missing, optional]).to.have.length(2)
  })
})
