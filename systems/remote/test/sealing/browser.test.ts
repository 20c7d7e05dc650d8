import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { textKey } from '../../lib/sealing/keys'
import { nodeScrypt } from '../../lib/sealing/node-scrypt'
import type { SealingPage } from '../browser/sealing-page'
import { BrowserPage } from '../helpers/browser-page'
import { hex } from '../helpers/hex'
import { EXPECTED } from '../helpers/interop'
import type { Transcript, TranscriptInput } from '../helpers/transcript'

const SOURCES = join(__dirname, '../../../test')
declare const sealing: SealingPage

describe('Sealing in Chromium', function () {
  this.timeout(60_000)
  let browser: BrowserPage | undefined

  before(async function () {
    needProgram(this, 'chromium')
    browser = await BrowserPage.open(join(SOURCES, 'browser/sealing-page.ts'))
  })
  after(() => browser?.close())

  it('understands a peer on another library of HPKE, as client and as device', async () => {
    expect(await browser?.page.evaluate(() => sealing.interop())).to.deep.equal(EXPECTED)
  })

  it('makes the frames of the test vectors', async () => {
    const vectors = JSON.parse(
      readFileSync(join(SOURCES, 'sealing/vectors/frames.json'), 'utf8')
    ) as readonly { input: TranscriptInput; output: Transcript }[]
    for (const { input, output } of vectors)
      expect(await browser?.page.evaluate(said => sealing.transcript(said), input)).to.deep.equal(output)
  })

  it('makes the key of a passphrase that Node makes of it', async () => {
    const { psk } = await textKey('debug_encryption_key', 'lamp', nodeScrypt)
    const inPage = await browser?.page.evaluate(() => sealing.textKey('debug_encryption_key', 'lamp'))
    expect(inPage).to.equal(hex(psk))
  })
})
