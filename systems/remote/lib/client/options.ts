import type { CipherSuite } from 'hpke'
import type { Link } from '../link/link'
import { type Checks, isCount, isEither, isFlag, isFunction, isText, isTime } from '../options/check-options'
import type { Scrypt } from '../sealing/keys'
import { type Clock, systemClock } from '../time/clock'
import type { Proof } from './proof'
import { type Jwt, Token } from './token'

/** What a client asks for one thing over the web, without a connection. */
export interface OncePost {
  /** @returns the frame that answers */
  post(
    url: string,
    device: string,
    frame: Uint8Array,
    signal?: AbortSignal,
    proof?: Proof
  ): Promise<Uint8Array>
  invitation(url: string, place: string, signal?: AbortSignal): Promise<Uint8Array>
  lookUp(
    url: string,
    device: string,
    signal?: AbortSignal,
    proof?: Proof
  ): Promise<{ readonly publicKey: string; readonly online: boolean }>
}

/** What a build plugs in: nothing of it is the same on Node and in a browser. */
export interface ClientParts {
  readonly suite: CipherSuite
  readonly scrypt: Scrypt
  dial(to: { readonly url: string }, signal: AbortSignal): Promise<Link>
  readonly once?: OncePost | undefined
  readonly clock?: Clock | undefined
  /** At least 0 and below 1, for the waits between dials. Default `Math.random`. */
  readonly random?: (() => number) | undefined
}

export interface ClientOptions {
  /** Milliseconds that a request waits for its answer. Default 10,000. */
  readonly timeoutLength?: number | undefined
  /** A failed request resolves with `{ error: code }` instead of rejecting. Default false. */
  readonly resolveErrors?: boolean | undefined
  /** Whether '' may be a key: nothing is sealed then, and everybody on the way can read and change it. Default false. */
  readonly allowPlain?: boolean | undefined
  /** Requests that wait for their answers at once. Default 10,000. */
  readonly maxPending?: number | undefined
  /**
   * Milliseconds after which the device is asked for a sign of life, while answers are waited for and nothing comes; after three in vain
   * the connection is made anew. Default 2,000.
   */
  readonly probeInterval?: number | undefined
  /** Proves to a relay who this is; a function is called for each connection. */
  readonly jwt?: Jwt | undefined
  /** Milliseconds for the name, TCP, TLS and the greeting, and before for the function `jwt`. Default 10,000. */
  readonly connectTimeout?: number | undefined
}

export const CLIENT_CHECKS: Checks<ClientOptions> = {
  timeoutLength: isTime,
  resolveErrors: isFlag,
  allowPlain: isFlag,
  maxPending: isCount,
  probeInterval: isTime,
  jwt: isEither(isText, isFunction),
  connectTimeout: isTime
}

export type CompleteOptions = ReturnType<typeof completeOptions>

export function completeOptions(options: ClientParts & ClientOptions) {
  const { suite, scrypt, once, jwt, clock = systemClock, random = Math.random } = options
  const { resolveErrors = false, allowPlain = false, timeoutLength = 10_000, maxPending = 10_000 } = options
  const { probeInterval = 2_000, connectTimeout = 10_000 } = options
  return {
    suite,
    scrypt,
    dial: (to: { readonly url: string }, signal: AbortSignal) => options.dial(to, signal),
    once,
    token: new Token(jwt, connectTimeout),
    clock,
    random,
    resolveErrors,
    allowPlain,
    timeoutLength,
    probeInterval,
    maxPending
  }
}
