import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ERROR_CODES } from '../../lib/errors/remote-error'

const PACKAGE = join(__dirname, '../../..')
const LIB = join(PACKAGE, 'lib')

describe('docs/errors.md', () => {
  const page = readFileSync(join(PACKAGE, 'docs/errors.md'), 'utf8')
  const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => readFileSync(join(LIB, path), 'utf8'))
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ((?:`[a-z-]+`(?:, )?)+) \|/gm)]

  it('has a section for each code, in the order of the type, and no other', () => {
    const sections = [...page.matchAll(/^## `([a-z-]+)`$/gm)].map(([, code]) => code)
    expect(sections).to.deep.equal([...ERROR_CODES])
  })

  it('has a row for each reason that the code gives, in order, once, of codes that there are', () => {
    const given = sources.flatMap(text => [
      ...text.matchAll(/\breason: '([a-z-]+)'/g),
      ...text.matchAll(/\b(?:refusal|refusedError)\([^)]*?, '([a-z-]+)'[,)]/g),
      ...text.matchAll(/'(answer-[a-z-]+)'/g),
      ...text.matchAll(/\b(?:refused|unreachable)\('([a-z-]+)'/g),
      ...wordsOf(text, 'ByeReason'),
      ...wordsOf(text, 'DialReason'),
      ...wordsOf(text, 'Denial')
    ])
    const reasons = rows.map(([, reason]) => reason as string)
    expect([...new Set(given.map(([, reason]) => reason as string))].sort()).to.deep.equal(reasons)
    const codes = rows.flatMap(([, , of]) => [...(of ?? '').matchAll(/[a-z-]+/g)].map(([code]) => code))
    expect(codes.filter(code => !(ERROR_CODES as readonly string[]).includes(code))).to.deep.equal([])
  })
})

/** The words of a type that is a list of them. */
function wordsOf(text: string, type: string): RegExpExecArray[] {
  const body = new RegExp(`export type ${type} =([\\s\\S]*?)(?:\\n\\n|$)`).exec(text)?.[1] ?? ''
  return [...body.matchAll(/\| '([a-z-]+)'/g)]
}
