import { join } from 'node:path'
import { runNode } from '@token-server/test-helpers'
import { expect } from 'chai'

const PAIR = join(__dirname, '../helpers/sealed-pair.js')

describe('The suite of Node', () => {
  it('prints no warning', async () => {
    const program = `require(${JSON.stringify(PAIR)}).sealedPair().then(() => console.log('sealed'))`
    const { stdout, stderr } = await runNode(['-e', program], __dirname)
    expect([stdout.trim(), stderr]).to.deep.equal(['sealed', ''])
  })
})
