import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { signToken } from '@token-server/identity'
import { needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { IClientOptions, MqttClient } from 'mqtt'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { ADMIN, ADMIN_TOKEN, adminUrl } from '../helpers/admin-page'
import { TestServer } from '../helpers/running-broker'
import { closed, connack, deviceToken, handlerToken, returnCode, SECRET, until } from '../helpers/test-broker'

/** A folder for pictures of the page, for people who change it. */
const { SCREENSHOTS } = process.env

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  'a phone': { colorScheme: 'light', viewport: { width: 360, height: 740 } }
} as const

const REPORT_VIOLATIONS = `document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  console.error('violates ' + violatedDirective + ': ' + blockedURI)
})`

/** What axe finds: contrast, names, structure. */
const FAULTS = `axe.run().then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`

const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'

describe('The status page in a browser', function () {
  this.timeout(60_000)

  let browser: Browser | undefined
  let server: TestServer
  let load: NodeJS.Timeout | undefined
  let contexts: BrowserContext[] = []

  before(async function () {
    needProgram(this, 'chromium')
    const executablePath = execFileSync('bash', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim()
    browser = await chromium.launch({ executablePath })
  })
  beforeEach(async () => {
    server = await TestServer.start(ADMIN)
  })
  afterEach(async () => {
    clearInterval(load)
    for (const context of contexts) await context.close()
    contexts = []
    await server.stop()
  })
  after(() => browser?.close())

  /** The page as a person opens it who types in the password, and what it complains of. */
  async function open(
    look: keyof typeof LOOKS,
    password = ADMIN_TOKEN
  ): Promise<{ page: Page; complaints: string[] }> {
    const context = await (browser as Browser).newContext({
      ...LOOKS[look],
      httpCredentials: { username: 'anybody', password }
    })
    contexts.push(context)
    const page = await context.newPage()
    const complaints: string[] = []
    const url = adminUrl(server)
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    page.on('dialog', dialog => {
      complaints.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', request => {
      const asked = request.url()
      if (asked !== url && !asked.startsWith('data:')) complaints.push(asked)
    })
    await page.addInitScript(REPORT_VIOLATIONS)
    await page.goto(url)
    return { page, complaints }
  }

  async function dial(token: string, options: IClientOptions = {}): Promise<MqttClient> {
    const client = server.dial(token, options)
    await connack(client)
    return client
  }

  /** Messages of many topics, one that does not read, and refusals, with names that would like to be markup. */
  async function begin(): Promise<void> {
    const handler = await dial(await handlerToken('contacts'))
    for (let id = 100; id < 105; id++) {
      const device = await dial(await deviceToken(id), { clientId: `phone-${id}` })
      await device.subscribeAsync([`${id}_list`, `${id}/#`])
    }
    const slow = await dial(await deviceToken('200'), { clientId: HOSTILE })
    await slow.subscribeAsync('200/big')
    slow.stream.on('resume', () => slow.stream.pause())
    slow.stream.pause()
    await returnCode(server.dial('nonsense', { clientId: `${HOSTILE}\u202egpj.exe` }))
    await returnCode(server.dial(await deviceToken('9'), { username: 'admin' }))
    const forged = await signToken({ user_id: '7', exp: 1e10 }, { secret: `${SECRET} not` })
    await returnCode(server.dial(forged, { clientId: 'x'.repeat(60_000) }))
    const curious = await dial(await deviceToken('55'), { clientId: `tablet-${'y'.repeat(100)}` })
    await curious.subscribeAsync('56/#').catch(() => undefined)
    curious.publish(`77/private/${HOSTILE}`, 'x')
    await closed(curious)
    let count = 0
    load = setInterval(() => {
      for (let i = 0; i < 10; i++, count++) {
        handler.publish(`${100 + ((count * count) % 5)}_list`, '["Ada"]')
        if (count % 20 === 0) handler.publish('200/big', Buffer.alloc(60_000))
      }
      handler.publish(`103/${HOSTILE}`, 'x')
    }, 20)
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (SCREENSHOTS === undefined) return
    mkdirSync(SCREENSHOTS, { recursive: true })
    await page.screenshot({ path: join(SCREENSHOTS, `${name.replaceAll(' ', '-')}.png`), fullPage: true })
  }

  const publishes = (page: Page) => page.locator('section.published strong').innerText()

  const isTooWide = (page: Page) =>
    page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')

  async function faults(page: Page): Promise<unknown> {
    await page.evaluate(AXE)
    return await page.evaluate(FAULTS)
  }

  for (const look of Object.keys(LOOKS) as (keyof typeof LOOKS)[]) {
    it(`shows figures that move, in ${look}, with nothing to complain of and nothing cut off`, async () => {
      await begin()
      const { page, complaints } = await open(look)
      expect(await page.title()).to.match(/^Broker /)
      const before = await page.locator('#time').innerText()
      await page.getByText('100_list').waitFor()
      await page.locator('meter').waitFor()
      await page.getByText(/\d+ messages were dropped in the last minute/).waitFor()
      await page.waitForFunction(
        "Number(document.querySelector('section.published strong').textContent) > 100"
      )
      expect(await page.locator('#time').innerText()).not.to.equal(before)
      expect(await page.locator('li').count()).to.equal(5)
      const text = await page.locator('main').innerText()
      expect(text).to.include('<script>alert(1)</script>')
      expect(await page.locator('script').count()).to.equal(1)
      expect(await page.locator('img').count()).to.equal(0)
      expect(await isTooWide(page)).to.equal(false)
      await picture(page, `load ${look}`)
      expect(await faults(page)).to.deep.equal([])
      expect(complaints).to.deep.equal([])
    })

    it(`says in ${look} that there is nothing to show yet`, async () => {
      const { page, complaints } = await open(look)
      await page.getByText('None in the last two minutes').first().waitFor()
      expect(await publishes(page)).to.equal('0')
      expect(await page.locator('main').innerText()).to.include('No problems in the last minute.')
      expect(await isTooWide(page)).to.equal(false)
      await picture(page, `empty ${look}`)
      expect(await faults(page)).to.deep.equal([])
      expect(complaints).to.deep.equal([])
    })
  }

  it('shows nothing to somebody with another password', async () => {
    const { page } = await open('light', `${ADMIN_TOKEN}x`)
    expect(await page.locator('body').innerText()).to.include('The password is the token of the admin')
    expect(await page.locator('main').count()).to.equal(0)
  })

  it('keeps text that is selected, and says that it waits', async () => {
    const { page } = await open('light')
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('h2'))")
    await page.getByText('Paused while text is selected.').waitFor()
    const time = await page.locator('#time').innerText()
    await page.evaluate('getSelection().removeAllRanges()')
    await page.getByText('Refreshed every 2 seconds.').waitFor()
    await page.locator('#time', { hasNotText: time }).waitFor()
  })

  it('says how old its figures are when the broker is gone', async () => {
    const { page } = await open('light')
    await server.running.service.close()
    await page.getByText(/The broker does not answer\. These figures are \d+ s old\./).waitFor()
    await picture(page, 'gone')
    await until('the listener is closed', () => !server.running.service.admin?.server.listening)
  })
})
