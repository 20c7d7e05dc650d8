import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, dirname } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'

/** A page in Chromium that has run one TypeScript file, bundled, served on the loopback. */
export class BrowserPage {
  readonly page: Page
  readonly #browser: Browser
  readonly #server: Server

  private constructor(page: Page, browser: Browser, server: Server) {
    this.page = page
    this.#browser = browser
    this.#server = server
  }

  static async open(entry: string): Promise<BrowserPage> {
    const files = await bundled(entry)
    const server = createServer(({ url = '/' }, response) => {
      const code = files.get(url.slice(1))
      if (code === undefined) response.end('<!doctype html><script type="module" src="/page.js"></script>')
      else response.setHeader('content-type', 'text/javascript').end(code)
    })
    await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
    const executablePath = execFileSync('bash', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim()
    const browser = await chromium.launch({ executablePath })
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    return new BrowserPage(page, browser, server)
  }

  async close(): Promise<void> {
    await this.#browser.close()
    this.#server.closeAllConnections()
    await new Promise(closed => this.#server.close(closed))
  }
}

async function bundled(entry: string): Promise<Map<string, string>> {
  const result = await build({
    configFile: false,
    root: dirname(entry),
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2023',
      rollupOptions: {
        input: { page: basename(entry) },
        output: { entryFileNames: 'page.js', chunkFileNames: '[name].js' }
      }
    }
  })
  const outputs = Array.isArray(result) ? result : [result]
  return new Map(
    outputs.flatMap(one =>
      ('output' in one ? one.output : []).flatMap(made =>
        made.type === 'chunk' ? [[made.fileName, made.code] as const] : []
      )
    )
  )
}
