import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../..')

describe('The folders of lib/', () => {
  const map = readFileSync(join(PACKAGE, 'README.md'), 'utf8').split('\n## Inside\n')[1] ?? ''
  const floors = [...map.matchAll(/^\| `([\w-]+)\/` \|/gm)].map(([, name]) => name as string)

  it('stand in the map of README.md, all of them', () => {
    const folders = readdirSync(join(PACKAGE, 'lib'), { withFileTypes: true }).filter(entry =>
      entry.isDirectory()
    )
    expect(floors).to.have.members(folders.map(({ name }) => name))
  })

  it('import only what stands above them', () => {
    const wrong = floors.flatMap((folder, floor) =>
      readdirSync(join(PACKAGE, 'lib', folder)).flatMap(file => {
        const text = readFileSync(join(PACKAGE, 'lib', folder, file), 'utf8')
        return [...text.matchAll(/from '\.\.\/([\w-]+)\//g)]
          .map(([, other]) => other as string)
          .filter(other => floors.indexOf(other) >= floor)
          .map(other => `${folder}/${file}: ${other}`)
      })
    )
    expect(wrong).to.deep.equal([])
  })
})
