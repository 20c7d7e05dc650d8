import type { Identity, Verifier, Watch } from '@token-server/identity'
import type { Subject } from './party'

/** Whose token opened a connection, for as long as the token is good. */
export class Standing {
  readonly subject: Subject | undefined
  readonly #verifier: Verifier | undefined
  readonly #identity: Identity | undefined
  #watch: Watch | undefined

  private constructor(verifier: Verifier | undefined, identity: Identity | undefined) {
    this.#verifier = verifier
    this.#identity = identity
    this.subject = identity && subjectOf(identity)
  }

  /** Without a verifier, without a token and with one that is not good it is nobody's. */
  static async of(verifier: Verifier | undefined, jwt: string | undefined): Promise<Standing> {
    if (verifier === undefined || jwt === undefined) return new Standing(verifier, undefined)
    const identity = await verifier.verify(jwt).catch(() => undefined)
    return new Standing(verifier, identity)
  }

  /** Of whom a quota counts. */
  get key(): string | undefined {
    return this.subject && `${this.subject.kind}:${this.subject.id}`
  }

  /** @param onEnd is told once that the token has ended, or was revoked */
  watch(onEnd: () => void): void {
    if (this.#identity !== undefined) this.#watch = this.#verifier?.watch(this.#identity, onEnd)
  }

  /** @returns false: the token is not good, or another's; the one of before still counts */
  async renew(jwt: string): Promise<boolean> {
    return (
      (await this.#watch?.renew(jwt).then(
        () => true,
        () => false
      )) ?? false
    )
  }

  end(): void {
    this.#watch?.stop()
    this.#watch = undefined
  }
}

function subjectOf({ id, kind, org, name }: Identity): Subject {
  return { id, kind, ...(org !== undefined && { org }), ...(name !== undefined && { name }) }
}
