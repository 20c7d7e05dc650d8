import { clock } from './clock'

/** Bytes that PING carries and PONG repeats. */
const OPAQUE_LENGTH = 8

/** Measures the time from a PING to its PONG: bytes and a clock, no frames. */
export class RoundTrip {
  #number = 0
  #begun = 0
  #milliseconds: number | null = null

  /** Of the last one that ended; null before the first. */
  get milliseconds(): number | null {
    return this.#milliseconds
  }

  /** @returns the bytes for the PING that is sent now */
  begin(): Uint8Array {
    this.#begun = clock.now()
    this.#number = (this.#number + 1) >>> 0
    const opaque = Buffer.alloc(OPAQUE_LENGTH)
    opaque.writeUInt32BE(this.#number, OPAQUE_LENGTH - 4)
    return opaque
  }

  /** A PONG came; one that is not of the last PING is ignored. */
  end(opaque: Uint8Array): void {
    const number = Buffer.from(opaque).readUInt32BE(OPAQUE_LENGTH - 4)
    if (number === this.#number) this.#milliseconds = clock.now() - this.#begun
  }
}
