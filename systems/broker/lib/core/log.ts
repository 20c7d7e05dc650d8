import { has } from '@token-server/service/options'

/** Where the broker writes what happens. A pino logger is one. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** Without it, everything is written. */
  isLevelEnabled?(level: string): boolean
}

/** What an error says, which may be whatever somebody threw. */
export function wordsOf(error: unknown): string {
  try {
    return String((error as Error | null | undefined)?.message ?? error)
  } catch {
    return 'an error that says nothing'
  }
}

export const isLog = has('debug', 'info', 'warn', 'error')

function nothing(): void {}

export const SILENT: Log = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  isLevelEnabled: () => false
}
