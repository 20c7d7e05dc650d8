import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onCleanUp } from './loopback'

/** A TCP proxy on loopback that can cut what goes through it. */
export class TcpProxy {
  /** Connections that came. */
  dials = 0
  /** Connections that were cut. */
  cuts = 0
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #bytesUntilCut: () => number = () => Number.POSITIVE_INFINITY
  #target: number

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer(socket => this.#through(socket))
  }

  static async to(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    onCleanUp(async () => {
      proxy.cutAll()
      proxy.#server.close()
      await once(proxy.#server, 'close')
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Later connections go there. */
  set target(port: number) {
    this.#target = port
  }

  /** Each connection from now on is cut after so many bytes, both directions together, in the middle of whatever. */
  cutAfter(bytes: () => number): void {
    this.#bytesUntilCut = bytes
  }

  cutAll(): void {
    for (const pair of this.#pairs) this.#cut(pair)
  }

  #through(near: Socket): void {
    this.dials++
    const far = connect(this.#target, '127.0.0.1')
    const pair = [near, far] as const
    this.#pairs.add(pair)
    let left = this.#bytesUntilCut()
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', () => {})
      from.on('close', () => {
        this.#pairs.delete(pair)
        to.destroy()
      })
      from.on('end', () => to.end())
      from.on('data', chunk => {
        left -= chunk.length
        if (left > 0) {
          if (!to.write(chunk)) {
            from.pause()
            to.once('drain', () => from.resume())
          }
          return
        }
        // What is before the cut still leaves, and may arrive.
        to.write(chunk.subarray(0, chunk.length + left))
        this.#cut(pair)
      })
    }
  }

  #cut(pair: readonly [Socket, Socket]): void {
    if (!this.#pairs.delete(pair)) return
    this.cuts++
    for (const socket of pair) setImmediate(() => socket.destroy())
  }
}
