import { spawnSync } from 'node:child_process'
import { expect } from 'chai'
import { loadCertificates } from '../../lib'

/** What a program has loaded that asks for this door: the names of packages, and of what it exports. */
function loadedBy(door: string): { packages: string[]; names: string[] } {
  const program = `
    const names = Object.keys(require(${JSON.stringify(door)})).sort()
    const packages = Object.keys(require.cache).flatMap(path => path.match(/node_modules.(@?[^@/\\\\]+)/)?.[1] ?? [])
    console.log(JSON.stringify({ names, packages: [...new Set(packages)] }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    cwd: __dirname,
    encoding: 'utf8'
  })
  expect(stderr).to.equal('')
  return JSON.parse(stdout) as { packages: string[]; names: string[] }
}

describe('the door load of the package', () => {
  it('gives loadCertificates(), and loads nothing that makes certificates', () => {
    expect(loadedBy('@token-server/certs').packages).to.include('@peculiar')
    expect(loadedBy('@token-server/certs/load')).to.deep.equal({
      names: ['CertsError', loadCertificates.name],
      packages: []
    })
  })
})
