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
    expect(root.workspaces).to.include('test/helpers')
    expect(root.files?.filter(path => path.includes('test'))).to.deep.equal([])
    expect(manifestOf('test/helpers')).to.include({ name: '@token-server/test-helpers', private: true })
  })

  it('has in its folder a door to the very modules that the tests here import', () => {
    const requireFrom = createRequire(join(ROOT, 'test/'))
    expect(requireFrom('./helpers')).to.equal(requireFrom('../dist/test/helpers/index.js'))
    expect(helpers.onCleanUp).to.equal(requireFrom('./helpers').onCleanUp)
  })
})
