import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'

/** Answers with a document and counts how often, over HTTP or, with a key and a certificate, over HTTPS. */
export class JwksServer {
  /** What it answers with; a function answers by itself. */
  answer: object | string | ((response: http.ServerResponse) => void) = { keys: [] }
  requests = 0
  #server: http.Server | null = null
  #port = 0
  readonly #tls: https.ServerOptions | null

  constructor(tls: https.ServerOptions | null = null) {
    this.#tls = tls
  }

  get url(): string {
    return `${this.#tls === null ? 'http' : 'https'}://localhost:${this.#port}/jwks.json`
  }

  /** On the port that it had before, if any. */
  async listen(): Promise<this> {
    const listener: http.RequestListener = (_request, response) => this.#respond(response)
    this.#server = this.#tls === null ? http.createServer(listener) : https.createServer(this.#tls, listener)
    this.#server.listen(this.#port, 'localhost')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  async close(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }

  #respond(response: http.ServerResponse): void {
    this.requests++
    if (typeof this.answer === 'function') this.answer(response)
    else response.end(typeof this.answer === 'string' ? this.answer : JSON.stringify(this.answer))
  }
}
