import crypto, { type JsonWebKey } from 'node:crypto'
import { EventEmitter } from 'node:events'
import tls from 'node:tls'
import { inspect, types } from 'node:util'

import errors = require('../../lib/errors/token-error')

/** Characters of base64 that nobody finds by chance, and that a quoted line still holds. */
const WINDOW = 12

/** A shorter passphrase is found in any text. */
const LEAST_PASSPHRASE = 6

const { createPrivateKey } = crypto
const { createSecureContext } = tls

const windows = new Set<string>()
const knownKeys = new Set<string>()
const passphrases = new Set<string>()
const raised = new Set<Error>()

/**
 * Makes each key and each passphrase that Node is given a secret, and remembers each TokenError that is made and each
 * error that an event of the library tells. For a root hook, before the library is loaded: what a test caused is looked
 * at when it is over.
 */
export function watchErrors(): void {
  watchCredentials()
  watchEvents()
  const { TokenError } = errors
  const watched: typeof TokenError = new Proxy(TokenError, {
    construct(target, args, newTarget) {
      const error = Reflect.construct(target, args, newTarget === watched ? target : newTarget) as Error
      raised.add(error)
      return error
    }
  })
  Object.assign(errors, { TokenError: watched })
}

/** Throws when an error since the last call shows a secret. */
export function checkErrors(): void {
  // Of ten thousand deliveries that one cut has ended, each has an error of its own that says and carries the same.
  const looked = new Map<string, Set<unknown>>()
  for (const error of [...raised]) {
    raised.delete(error)
    const kind = `${error.message} ${Reflect.ownKeys(error).map(String).join()}`
    const causes = looked.get(kind) ?? new Set()
    if (causes.has(error.cause)) continue
    looked.set(kind, causes.add(error.cause))
    const where = secretIn(error)
    if (where !== null)
      throw new Error(`A secret stands in ${where} of the error "${error.message.slice(0, 60)}"`)
  }
}

/** Where in an object a secret stands: a path of properties, or what prints it; null when there is none. */
export function secretIn(subject: unknown): string | null {
  const seen = new Set<unknown>()
  const look = (value: unknown, path: string): string | null => {
    if (typeof value === 'string') return showsSecret(value) ? path : null
    if (typeof value !== 'object' || value === null || seen.has(value)) return null
    seen.add(value)
    if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value)) {
      const bytes = ArrayBuffer.isView(value)
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
        : Buffer.from(value)
      return showsSecret(bytes.toString('latin1')) ? path : null
    }
    if (types.isMap(value) || types.isSet(value)) {
      const found = look([...value], `${path} (entries)`)
      if (found !== null) return found
    }
    for (const [name, { value: property }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      const found = look(property, `${path}.${name}`)
      if (found !== null) return found
    }
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      const property = Object.getOwnPropertyDescriptor(value, symbol)?.value
      const found = look(property, `${path}[${String(symbol)}]`)
      if (found !== null) return found
    }
    return null
  }
  return (
    look(subject, 'it') ??
    look(inspect(subject, { depth: Infinity, showHidden: true }), 'what util.inspect prints')
  )
}

/** Of a key the private numbers alone: what stands around them is public, or the same in many. */
export function addSecretKey(pem: string): void {
  if (knownKeys.has(pem)) return
  knownKeys.add(pem)
  let jwk: JsonWebKey
  try {
    jwk = createPrivateKey(pem).export({ format: 'jwk' }) as JsonWebKey
  } catch {
    return
  }
  const body = pem.replace(/-----[^-]+-----|\s/g, '')
  for (const text of [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi]) {
    const number = Buffer.from(text ?? '', 'base64url')
    const at = Buffer.from(body, 'base64').indexOf(number)
    const base64 = body.slice(Math.ceil((at * 4) / 3), Math.floor(((at + number.length) * 4) / 3))
    for (let i = 0; i + WINDOW <= base64.length; i++) windows.add(base64.slice(i, i + WINDOW))
  }
}

export function addSecretPassphrase(passphrase: unknown): void {
  if (typeof passphrase === 'string' && passphrase.length >= LEAST_PASSPHRASE) passphrases.add(passphrase)
}

function showsSecret(text: string): boolean {
  for (const passphrase of passphrases) if (text.includes(passphrase)) return true
  // Printed, a text of several lines is a sum of quoted lines.
  const bare = text.replace(/\\n|['"`+\s]/g, match => (match === '+' ? '+' : ''))
  for (const [run] of bare.matchAll(/[A-Za-z0-9+/]{12,}/g)) {
    for (let i = 0; i + WINDOW <= run.length; i++) if (windows.has(run.slice(i, i + WINDOW))) return true
  }
  return false
}

/** Whatever wants to read a key passes one of these two. */
function watchCredentials(): void {
  tls.createSecureContext = options => {
    for (const key of [options?.key ?? []].flat()) {
      if (typeof key === 'object' && 'pem' in key) {
        addSecretPassphrase(key.passphrase)
        addSecretKey(String(key.pem))
      } else addSecretKey(String(key))
    }
    addSecretPassphrase(options?.passphrase)
    return createSecureContext(options)
  }
  crypto.createPrivateKey = key => {
    if (typeof key === 'string') addSecretKey(key)
    return createPrivateKey(key)
  }
}

const EMITTERS: ReadonlySet<string> = new Set(['Connection', 'TokenClient', 'TokenServer'])

/** Whether objects of a class are looked at. Reading a class's name for each event of each socket is slow. */
const isWatched = new Map<unknown, boolean>()

/** The library compares `emit` with the one that was there when it was loaded. */
function watchEvents(): void {
  const { emit } = EventEmitter.prototype
  EventEmitter.prototype.emit = function (this: EventEmitter, name: string, ...args: unknown[]) {
    const ofThis = this.constructor
    if (!isWatched.has(ofThis)) isWatched.set(ofThis, EMITTERS.has(ofThis.name))
    if (isWatched.get(ofThis)) {
      for (const arg of args) {
        const error = arg instanceof Error ? arg : (arg as { error?: unknown } | null)?.error
        if (error instanceof Error) raised.add(error)
      }
    }
    return emit.call(this, name, ...args)
  }
}
