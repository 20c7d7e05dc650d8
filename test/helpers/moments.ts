import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { Connection } from '../../lib/connection/connection'

/** After everything that is on its way inside this process; not a wait for time to pass. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 8; i++) await setImmediate()
}

/**
 * Calls `begin` with the end of a certificate that comes soon: a whole second, as certificates have it. When the end has
 * come before `begin` is done, as on a busy machine, it is called again with twice the time.
 *
 * @returns the end, and what `begin` resolved with
 */
export async function beforeItEnds<T>(begin: (end: Date) => Promise<T>): Promise<{ end: Date; begun: T }> {
  for (let time = 250; ; time *= 2) {
    const end = new Date(Math.ceil((Date.now() + time) / 1000) * 1000)
    const begun = await begin(end)
    if (Date.now() < end.getTime()) return { end, begun }
  }
}

/** Keeps the whole process from running, and leaves its core to others. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

/** The tokens that the listener got, from now on until `count` are there. */
export async function tokensOf(connection: Connection, count: number): Promise<Buffer[]> {
  const tokens: Buffer[] = []
  await new Promise<void>(resolve => {
    const listener = (token: Buffer) => {
      tokens.push(token)
      if (tokens.length < count) return
      connection.removeListener('token', listener)
      resolve()
    }
    connection.on('token', listener)
  })
  return tokens
}

/** All bytes until the end. */
export async function bytesOf(readable: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  readable.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!readable.readableEnded) await once(readable, 'end')
  return Buffer.concat(chunks)
}

/** What reached `uncaughtException` while `run` ran; mocha's own listeners are set aside meanwhile. */
export async function uncaughtDuring(run: () => Promise<unknown>): Promise<unknown[]> {
  return (await escapedDuring(run)).uncaught
}

/** What reached `uncaughtException` and `unhandledRejection` while `run` ran, without mocha's own listeners. */
export async function escapedDuring(
  run: () => Promise<unknown>
): Promise<{ uncaught: unknown[]; unhandled: unknown[] }> {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const listeners = events.map(event => process.listeners(event as 'uncaughtException'))
  const uncaught: unknown[] = []
  const unhandled: unknown[] = []
  for (const event of events) process.removeAllListeners(event)
  process.on('uncaughtException', error => uncaught.push(error))
  process.on('unhandledRejection', error => unhandled.push(error))
  try {
    await run()
    await settled()
  } finally {
    for (const [i, event] of events.entries()) {
      process.removeAllListeners(event)
      for (const listener of listeners[i] ?? []) process.on(event, listener as never)
    }
  }
  return { uncaught, unhandled }
}

/** Waits for what only a timer of the library brings: its timers do not keep the process alive. */
export async function awake<T>(promise: Promise<T>): Promise<T> {
  const alive = setInterval(() => {}, 1000)
  try {
    return await promise
  } finally {
    clearInterval(alive)
  }
}
