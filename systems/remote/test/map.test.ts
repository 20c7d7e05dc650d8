import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { folderMap, testFolderMap } from '@token-server/test-helpers'
import { expect } from 'chai'

const PACKAGE = join(__dirname, '../..')

describe('The folders of lib/', () => {
  const map = folderMap(PACKAGE)

  testFolderMap(PACKAGE)

  it('are free of Node where browsers run them, but in files named node-…', () => {
    const rule = /checks it\. ([^|]*?)\s+run in browsers, too/.exec(map)?.[1] ?? ''
    const shared = [...rule.matchAll(/`([\w-]+)\/`/g)].map(([, name]) => name as string)
    expect(shared).to.include.members(['sealing', 'client', 'wire'])
    const wrong = shared.flatMap(folder =>
      readdirSync(join(PACKAGE, 'lib', folder))
        .filter(file => !file.startsWith('node-'))
        .filter(file => isOfNode(readFileSync(join(PACKAGE, 'lib', folder, file), 'utf8')))
        .map(file => `${folder}/${file}`)
    )
    expect(wrong).to.deep.equal([])
  })

  it('lead from browser.ts to nothing of Node', () => {
    const seen = new Set<string>()
    const follow = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      const text = readFileSync(join(PACKAGE, 'lib', file), 'utf8')
      for (const [, path] of text.matchAll(/ from ['](\.[^']+)[']/g))
        follow(`${join(dirname(file), path as string)}.ts`)
    }
    follow('browser.ts')
    expect(seen.size).to.be.above(20)
    const wrong = [...seen].filter(file => isOfNode(readFileSync(join(PACKAGE, 'lib', file), 'utf8')))
    expect(wrong).to.deep.equal([])
  })
})

/** Whether a file that is run asks for a part of Node, of a file named node-…, or for what only Node has. */
function isOfNode(text: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
  const imports = [...code.matchAll(/^(?:import|export) (type )?.*?from [']([^']+)[']/gms)]
  const isImported = imports.some(
    ([, type, path]) => type === undefined && /^node:|\/node-/.test(path as string)
  )
  return isImported || /\bBuffer\b|\bprocess\.|\brequire\(/.test(code)
}
