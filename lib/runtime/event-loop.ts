import { setImmediate as setNodeImmediate } from 'node:timers'

/**
 * What bytes are moved by. It is taken once, when the library is loaded: a test that replaces the global timers stops
 * timeouts (see `clock.ts`), and must not stop the bytes.
 */
export const nextTick: typeof process.nextTick = process.nextTick
export const setImmediate: typeof setNodeImmediate = setNodeImmediate
