import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page
} from 'playwright-core'

const PACKAGE = join(__dirname, '../../..')

/** A folder for pictures of the page, for people who change it. */
const { SCREENSHOTS } = process.env

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds: contrast, names, structure. */
const FAULTS = `axe.run().then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`

const REPORT_VIOLATIONS = `document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  console.error('violates ' + violatedDirective + ': ' + blockedURI)
})`

export const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 360, height: 740 } },
  dark: { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  wide: { colorScheme: 'light', viewport: { width: 1280, height: 900 } }
} as const satisfies Record<string, BrowserContextOptions>

/** A page, and what it or its browser complained of. */
export interface OpenPage {
  readonly page: Page
  readonly complaints: string[]
  /** Every address that was asked for. */
  readonly requests: string[]
}

/** Debian's Chromium, for the phone page, which is built when it has changed. */
export class PageBrowser {
  readonly #browser: Browser
  /** By what they were made of: devices of other tests have other ports, and what is stored is apart anyway. */
  readonly #contexts = new Map<string, BrowserContext>()

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async launch(args: readonly string[] = []): Promise<PageBrowser> {
    await promisify(execFile)(process.execPath, [join(PACKAGE, 'page/build.mjs')])
    const executablePath = execFileSync('bash', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim()
    return new PageBrowser(await chromium.launch({ executablePath, args: [...args] }))
  }

  /** @param name keeps what the page does to its context, such as to move its clock, from other tests */
  async open(url: string, options: BrowserContextOptions = {}, name = ''): Promise<OpenPage> {
    const made = { locale: 'en-GB', ignoreHTTPSErrors: true, ...LOOKS.light, ...options }
    const id = name + JSON.stringify(made)
    const context = this.#contexts.get(id) ?? (await this.#browser.newContext(made))
    this.#contexts.set(id, context)
    const page = await context.newPage()
    const complaints: string[] = []
    const requests: string[] = []
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    page.on('request', request => requests.push(request.url()))
    await page.addInitScript(REPORT_VIOLATIONS)
    await page.goto(url)
    return { page, complaints, requests }
  }

  async closePages(): Promise<void> {
    const pages = [...this.#contexts.values()].flatMap(context => context.pages())
    await Promise.all(pages.map(page => page.close()))
  }

  async close(): Promise<void> {
    await this.#browser.close()
  }
}

export async function faultsIn(page: Page): Promise<unknown> {
  await page.evaluate(AXE)
  return await page.evaluate(FAULTS)
}

export async function isTooWide(page: Page): Promise<boolean> {
  return await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
}

export async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name.replaceAll(' ', '-')}.png`), fullPage: true })
}
