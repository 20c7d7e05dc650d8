import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, remove, runNode } from '@token-server/test-helpers'
import { expect } from 'chai'
import { SECRET } from './helpers/tokens'

const PACKAGE = join(__dirname, '../..')
const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')

describe('README.md', () => {
  it('has a row for each code, in order, and for no other', () => {
    const source = readFileSync(join(PACKAGE, 'lib/jwt-error.ts'), 'utf8')
    const codes = [...source.matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(([, code]) => code)
    expect(codes).to.include('ERR_JWT_SIGNATURE')
    expect([...readme.matchAll(/^\| `(ERR_\w+)` \|/gm)].map(([, code]) => code)).to.deep.equal(codes)
  })

  it('has a row for each option', () => {
    const source = readFileSync(join(PACKAGE, 'lib/options.ts'), 'utf8')
    const names = [...source.matchAll(/^const \w+_NAMES = \[([^\]]*)\]/gm)].flatMap(([, list = '']) =>
      [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name)
    )
    expect(names).to.have.lengthOf.greaterThan(12)
    for (const name of names) expect(readme).to.match(new RegExp(`^\\|[^|]*\`${name}\`[^|]*\\|`, 'm'))
  })

  it('has a start that works when it is copied', async () => {
    const [, program = ''] = /`check\.cjs`:\n\n```js\n([\s\S]*?)```/.exec(readme) ?? []
    const folder = join(ROOT, `.readme-${process.pid}`)
    try {
      // Where Node finds the package by its name, as in a clone.
      mkdirSync(folder)
      writeFileSync(join(folder, 'check.cjs'), program)
      writeFileSync(join(folder, '.env'), `JWT_SECRET=${SECRET}\n`)
      const { JWT_SECRET: _secret, ...env } = process.env
      const bin = join(PACKAGE, 'bin/token-jwt.js')
      const signed = await runNode([bin, '--user', '68946', '--ttl', '1h'], folder, env)
      expect(signed.stderr).to.equal('')
      const good = await runNode(['check.cjs', signed.stdout.trim()], folder, env)
      expect(good.stderr).to.equal('')
      expect(good.stdout).to.include("id: '68946'").and.include("kind: 'user'")
      const bad = await runNode(['check.cjs', 'shhhhh'], folder, env)
      expect(bad.stdout).to.equal('The token is malformed\n')
      expect(bad.stderr).to.include('ERR_JWT_MALFORMED').and.not.include('shhhhh')
    } finally {
      remove(folder)
    }
  })
})
