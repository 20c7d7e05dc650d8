import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../..')

describe('docs/errors.md', () => {
  it('has a section for each code of the type, in the same order, and no other', () => {
    const type = readFileSync(join(PACKAGE, 'lib/errors/service-error.ts'), 'utf8')
    const page = readFileSync(join(PACKAGE, 'docs/errors.md'), 'utf8')
    const codes = [...type.matchAll(/\| '(ERR_\w+)'/g)].map(([, code]) => code)
    expect(codes).to.have.length.greaterThan(3)
    expect([...page.matchAll(/^## `(\w+)`$/gm)].map(([, code]) => code)).to.deep.equal(codes)
  })
})
