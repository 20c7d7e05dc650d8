import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadHandlers } from '../../lib/client'

const KIT = JSON.stringify(join(__dirname, '../../lib/client/index.js'))

describe('A folder of handlers', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'door-handlers-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)

  it('gives one of each file, in the order of their names, whatever kind of module it is', async () => {
    write('b.cjs', `module.exports = require(${KIT}).handler('b', () => {})`)
    write('a.mjs', `import kit from ${KIT}; export default kit.handler('a', () => {})`)
    write(
      'c.js',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = require(${KIT}).handler('c', () => {})`
    )
    write('_store.cjs', 'throw new Error("it is none")')
    write('notes.txt', '')
    expect((await loadHandlers(folder)).map(({ filter }) => filter)).to.deep.equal(['a', 'b', 'c'])
  })

  it('is refused when a file exports none, and when there is no file', async () => {
    expect(await loadHandlers(folder).catch(({ code }) => code)).to.equal('ERR_TOPIC_HANDLER')
    write('a.cjs', 'module.exports = () => {}')
    expect(await loadHandlers(folder).catch(({ message }) => message)).to.match(
      /a\.cjs exports nothing that handler\(\) has made$/
    )
  })
})
