import { expect } from 'chai'
import fc from 'fast-check'
import { covers, isTopicFilter, isTopicName, matches } from '../../lib/wire/topics'

const level = fc.constantFrom('', 'a', 'b', 'c')
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map(levels => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.constantFrom('', 'a', 'b', '+'), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'))

describe('Topics and filters', () => {
  it('have no control character, half of a pair or non-character', () => {
    for (const bad of [
      '\u0000',
      '\u0001',
      '\u001f',
      '\u007f',
      '\u009f',
      '\ud800',
      '\udc00',
      '\uffff',
      '\ufdd0',
      '\u{1ffff}'
    ]) {
      for (const text of [bad, `a/${bad}`, `${bad}/b`, `a${bad}b`]) {
        expect(isTopicName(text), JSON.stringify(text)).to.equal(false)
        for (const filter of [text, `${text}/#`, `+/${text}`])
          expect(isTopicFilter(filter), JSON.stringify(filter)).to.equal(false)
      }
    }
    for (const good of ['a', 'é', '\u{1f600}', '\ufeffa', ' ']) {
      expect(isTopicName(good)).to.equal(true)
      expect(isTopicFilter(`${good}/+/#`)).to.equal(true)
    }
  })

  it('match as the examples of MQTT 3.1.1, section 4.7', () => {
    const yes: [string, string][] = [
      ['sport/tennis/player1/#', 'sport/tennis/player1'],
      ['sport/tennis/player1/#', 'sport/tennis/player1/ranking'],
      ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon'],
      ['sport/#', 'sport'],
      ['sport/tennis/+', 'sport/tennis/player1'],
      ['sport/+', 'sport/'],
      ['+/+', '/finance'],
      ['/+', '/finance'],
      ['$SYS/#', '$SYS/monitor'],
      ['#', 'a/b']
    ]
    const no: [string, string][] = [
      ['sport/tennis/+', 'sport/tennis/player1/ranking'],
      ['sport/+', 'sport'],
      ['+', '/finance'],
      ['#', '$SYS/monitor'],
      ['+/monitor', '$SYS/monitor'],
      ['a', 'a/b'],
      ['a/b', 'a']
    ]
    for (const [pattern, name] of yes) expect(matches(pattern, name), `${pattern} ${name}`).to.equal(true)
    for (const [pattern, name] of no) expect(matches(pattern, name), `${pattern} ${name}`).to.equal(false)
  })

  it('match as a regular expression made from the filter', () => {
    fc.assert(
      fc.property(filter, topic, (pattern, name) => {
        fc.pre(name !== '' && pattern !== '')
        expect(matches(pattern, name)).to.equal(expressionOf(pattern).test(name))
      })
    )
  })

  it('are covered by a pattern only when the pattern matches all that they match', () => {
    let compared = 0
    fc.assert(
      fc.property(filter, filter, topic, (pattern, narrower, name) => {
        if (name === '' || !matches(narrower, name) || !covers(pattern, narrower)) return
        compared++
        expect(matches(pattern, name)).to.equal(true)
      }),
      { numRuns: 20_000 }
    )
    expect(compared).to.be.greaterThan(20)
  })

  it('are valid with wildcards in levels of their own only', () => {
    const bad = ['', 'a#', 'a/#/b', '#/a', 'a+', '+a/b', 'a/+b', '##', '++']
    for (const text of bad) expect(isTopicFilter(text), text).to.equal(false)
    for (const text of ['#', '+', '/', 'a//b', '+/+', 'a/+/#', '/#']) {
      expect(isTopicFilter(text), text).to.equal(true)
    }
  })
})

function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replace(/[.*?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('+', '[^/]*')
    .replace(/(^|\/)#$/, (_, slash) => (slash === '/' ? '(/.*)?' : '.*'))
  return new RegExp(`^${source}$`)
}
