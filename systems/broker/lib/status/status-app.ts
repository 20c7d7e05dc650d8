import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import type { Broker } from '../core/broker'
import { PAGE_SCRIPT } from './page-script'
import { PAGE_STYLE } from './page-style'
import { Rates } from './rates'
import { statusPage } from './status-page'
import { statusReport } from './status-report'
import { TopTopics } from './top-topics'

/** Nothing but what stands in the page itself; its requests go to where it came from. */
const SECURITY = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: [sha256(PAGE_SCRIPT)],
    styleSrc: [sha256(PAGE_STYLE)],
    imgSrc: ['data:'], // its icon
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"]
  },
  strictTransportSecurity: false, // the admin listener speaks plain HTTP
  xFrameOptions: 'DENY'
})

/** `/status` for people and `/status.json` for programs. It asks for no token: whoever serves it does. */
export class StatusApp {
  readonly fetch: Hono['fetch']
  readonly #rates: Rates
  readonly #topTopics: TopTopics

  constructor(broker: Broker) {
    this.#rates = new Rates(broker.counters)
    this.#topTopics = new TopTopics(broker)
    const report = () => statusReport(broker, this.#rates, this.#topTopics)
    const app = new Hono()
    app.use(SECURITY)
    app.get('/', context => context.redirect('/status'))
    app.get('/status', context => context.html(statusPage(report())))
    app.get('/status.json', context => context.json(report()))
    this.fetch = app.fetch
  }

  close(): void {
    this.#rates.stop()
    this.#topTopics.stop()
  }
}

function sha256(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
