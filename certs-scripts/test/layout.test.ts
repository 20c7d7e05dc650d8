import { join } from 'node:path'
import { expect } from 'chai'
import { checkClientNames, pathsOf } from '../lib/layout'
import { expectRefused } from './helpers/refused'

describe('the names of clients', () => {
  it('are their folders and files', () => {
    const paths = { key: join('certs', 'ann', 'ann.key'), cert: join('certs', 'ann', 'ann.crt') }
    expect(pathsOf('certs', 'ann')).to.deep.equal(paths)
  })

  it('may hold spaces, commas and other scripts', () => checkClientNames(['Acme, Inc.', 'Zoë', 'a b', '-x']))

  const refused = [
    '',
    ' ',
    '.',
    '..',
    '../x',
    '/',
    '/etc',
    'a/b',
    'a\\b',
    'c:x',
    '.hidden',
    'a\u0000',
    'ca',
    'server',
    'CA'
  ]
  for (const name of refused) {
    it(`cannot be ${JSON.stringify(name)}`, () =>
      expectRefused('ERR_CERTS_NAME', () => checkClientNames([name])))
  }

  it('cannot be given twice, nor differ in case alone', async () => {
    await expectRefused('ERR_CERTS_NAME', () => checkClientNames(['ann', 'ann']), 'twice')
    await expectRefused('ERR_CERTS_NAME', () => checkClientNames(['ann', 'Ann']), 'twice')
  })
})
