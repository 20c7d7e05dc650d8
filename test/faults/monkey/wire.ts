import { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { FrameTap } from '../../worlds/frame-tap'
import type { Departed, Entry } from '../../worlds/ledger'

/** What a TLS socket has written. */
interface Written {
  readonly tap: FrameTap
  readonly whole: Entry[]
  departed: Departed | null
}

/** Reads along with what is written into each TLS socket of the process. */
export class Wire {
  readonly #written = new WeakMap<TLSSocket, Written>()
  readonly #entry: (id: string) => Entry

  /** @param entry finds the token of an id */
  constructor(entry: (id: string) => Entry) {
    this.#entry = entry
  }

  /** @returns a function that puts the right one back */
  install(): () => void {
    const { write } = Duplex.prototype
    const see = (socket: Duplex, chunk: unknown) => {
      if (socket instanceof TLSSocket && chunk instanceof Uint8Array)
        this.#of(socket).tap.push(Buffer.from(chunk))
    }
    // Not of TLSSocket: one that dials has the method of its own that it found in Duplex.
    Duplex.prototype.write = function (this: Duplex, ...values: Parameters<Duplex['write']>) {
      see(this, values[0])
      return write.apply(this, values)
    } as Duplex['write']
    return () => {
      Duplex.prototype.write = write
    }
  }

  #of(socket: TLSSocket): Written {
    const known = this.#written.get(socket)
    if (known !== undefined) return known
    const whole: Entry[] = []
    const made: Written = {
      whole,
      departed: null,
      tap: new FrameTap({
        onBegun: id => {
          this.#entry(id).isBegun = true
        },
        onWhole: id => {
          const entry = this.#entry(id)
          entry.isWhole = true
          whole.push(entry)
          made.departed?.add(entry)
        },
        onClose: () => {}
      })
    }
    this.#written.set(socket, made)
    return made
  }

  /** The tokens that leave by a socket are those of one connection. @returns the tap on it */
  carries(socket: TLSSocket, departed: Departed): FrameTap {
    const written = this.#of(socket)
    written.departed = departed
    for (const entry of written.whole) departed.add(entry)
    return written.tap
  }
}
