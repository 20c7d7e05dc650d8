import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { needProgram, remove, temporaryFolder } from '@token-server/test-helpers'
import { expect } from 'chai'
import { PageBrowser } from '../helpers/page-browser'

describe('The demo', function () {
  this.timeout(60_000)

  let browser: PageBrowser
  let demo: ChildProcess
  let output: string
  let folder: string

  before(async function () {
    needProgram(this, 'chromium')
    browser = await PageBrowser.launch()
  })
  beforeEach(() => {
    folder = temporaryFolder()
  })

  function start(...options: string[]): void {
    output = ''
    const file = join(__dirname, '../../examples/lamp/demo.js')
    const own = ['--port', '0', '--host', '127.0.0.1', '--certs', folder]
    demo = spawn(process.execPath, [file, ...own, ...options])
    for (const stream of [demo.stdout, demo.stderr])
      stream?.setEncoding('utf8').on('data', text => {
        output += text
      })
  }
  afterEach(async () => {
    await browser.closePages()
    if (demo.exitCode === null && demo.signalCode === null) {
      demo.kill('SIGKILL')
      await once(demo, 'exit')
    }
    remove(folder)
  })
  after(() => browser?.close())

  async function said(pattern: RegExp): Promise<string> {
    for (;;) {
      const [found] = pattern.exec(output) ?? []
      if (found !== undefined) return found
      if (demo.exitCode !== null) throw new Error(`the demo ended: ${output}`)
      await Promise.race([once(demo.stdout as NodeJS.ReadableStream, 'data'), once(demo, 'exit')])
    }
  }

  it('shows the way to a lamp, which the page switches, and ends in order', async () => {
    start()
    const url = await said(/https:\S+/)
    await said(/lamp: off/)
    const { page, complaints } = await browser.open(url)
    await page.getByRole('button', { name: 'On', exact: true }).click()
    await said(/lamp: on, 60 %, warm/)
    await page.getByLabel('Duration (s)').fill('1')
    await page.getByRole('button', { name: 'Sunrise' }).click()
    await said(/lamp: on, 100 %, warm/)
    await page.locator('.result', { hasText: 'Done: ☀' }).waitFor()
    // The page watches the lamp.
    await page.locator('dd', { hasText: '100 %' }).waitFor()
    expect(complaints).to.deep.equal([])
    demo.kill('SIGTERM')
    const [code] = (await once(demo, 'exit')) as [number | null]
    expect(code).to.equal(0)
    await page.locator('.banner', { hasText: 'No connection.' }).waitFor()
    await page.locator('dd', { hasText: '100 %' }).waitFor()
  })

  it('lets a phone in with --pair when the words are the same and its owner says yes', async () => {
    start('--pair')
    const { page } = await browser.open(await said(/https:\S+/))
    await page.getByLabel('Name of this phone').fill("Ann's phone")
    await page.getByRole('button', { name: 'Pair', exact: true }).click()
    const question = await said(/Ann's phone wants in\. .*\n.*\? /)
    await page.locator('.words').waitFor()
    expect(question).to.include((await page.locator('.words li').allInnerTexts()).join(' '))
    demo.stdin?.write('y\n')
    await page.getByRole('button', { name: 'On', exact: true }).click()
    await said(/lamp: on, 60 %, warm/)
  })

  it('says what it can do, and that a port is taken', async () => {
    start('--help')
    await said(/--pair/)
    const other = createServer().listen(0)
    await once(other, 'listening')
    start('--port', String((other.address() as AddressInfo).port))
    await said(/The port is taken/)
    other.close()
  })
})
