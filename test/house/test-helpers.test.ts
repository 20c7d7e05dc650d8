import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect } from 'chai'
import * as helpers from '../helpers/index'
import { ROOT } from '../helpers/program'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly workspaces?: readonly string[]
  readonly files?: readonly string[]
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest
}

describe('The package of the test helpers', () => {
  it('is a workspace that npm refuses to publish, and that the library does not pack', () => {
    const root = manifestOf('.')
    expect(root.workspaces).to.include('test-helpers')
    expect(root.files?.filter(path => path.includes('test'))).to.deep.equal([])
    expect(manifestOf('test-helpers')).to.include({ name: '@token-server/test-helpers', private: true })
  })

  it('gives the very functions that the tests here import, so that what one opens the other closes', () => {
    expect(createRequire(join(ROOT, '/'))('./test-helpers')).to.equal(helpers)
    expect(helpers.onCleanUp).to.be.a('function')
  })
})
