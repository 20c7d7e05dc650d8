import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

/** The part of a package's README.md that says what is in which folder of lib/, the lowest floor first. */
export function folderMap(packageFolder: string): string {
  return readFileSync(join(packageFolder, 'README.md'), 'utf8').split('\n## Inside\n')[1] ?? ''
}

/** Tests, within the caller's `describe`, that the folders are those of the map and import only folders above them in it. */
export function testFolderMap(packageFolder: string): void {
  const floors = [...folderMap(packageFolder).matchAll(/^\| `([\w-]+)\/` \|/gm)].map(
    ([, name]) => name as string
  )

  it('stand in the map of README.md, all of them', () => {
    const folders = readdirSync(join(packageFolder, 'lib'), { withFileTypes: true }).filter(entry =>
      entry.isDirectory()
    )
    expect(floors).to.have.members(folders.map(({ name }) => name))
  })

  it('import only what stands above them', () => {
    const wrong = floors.flatMap((folder, floor) =>
      readdirSync(join(packageFolder, 'lib', folder)).flatMap(file => {
        const text = readFileSync(join(packageFolder, 'lib', folder, file), 'utf8')
        return [...text.matchAll(/from '\.\.\/([\w-]+)\//g)]
          .map(([, other]) => other as string)
          .filter(other => floors.indexOf(other) >= floor)
          .map(other => `${folder}/${file}: ${other}`)
      })
    )
    expect(wrong).to.deep.equal([])
  })
}
