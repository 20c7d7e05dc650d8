import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { PeerName } from '../options'
import type { PeerReady, PeerSetup } from './peer-process'

/** A broker that runs in a process of its own. */
export class Peer {
  readonly name: PeerName
  readonly ready: PeerReady
  readonly #child: ChildProcess

  private constructor(name: PeerName, ready: PeerReady, child: ChildProcess) {
    this.name = name
    this.ready = ready
    this.#child = child
  }

  static async start(name: PeerName, setup: PeerSetup): Promise<Peer> {
    const child = fork(join(__dirname, `${name}.js`), [JSON.stringify(setup)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    const ended = once(child, 'exit').then(() => ({ error: 'it ended at once' }))
    const [message] = (await Promise.race([once(child, 'message'), ended.then(error => [error])])) as [
      PeerReady | { error: string }
    ]
    if (!('error' in message)) return new Peer(name, message, child)
    child.kill('SIGKILL')
    throw new Error(`Cannot start ${name}: because ${message.error}`)
  }

  /** By its channel: mosquitto is a child of this child. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    if (this.#child.connected) this.#child.disconnect()
    await exit
  }
}
