import { type DestinationStream, type Logger, multistream, pino, stdTimeFunctions } from 'pino'
import { withoutSecrets } from './without-secrets'

export interface LoggerOptions {
  /** Stands in each line. */
  readonly name: string
  /** Default `info`. */
  readonly level?: string | undefined
  /** Values that must stand in no line. */
  readonly secrets?: readonly string[] | undefined
  /** Default: standard output; JSON lines, on a terminal for people. */
  readonly destination?: DestinationStream | undefined
  /** Get each line as well. */
  readonly also?: readonly DestinationStream[] | undefined
}

/** A logger of pino that writes a line of JSON for each call, and no secret that it can tell. */
export function createLogger(options: LoggerOptions): Logger {
  const { name, level = 'info', destination = standardOutput(), also = [] } = options
  const all = [destination, ...also].map(stream => ({ stream, level: 'trace' as const }))
  return pino(
    {
      name,
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      hooks: { streamWrite: withoutSecrets(options.secrets) }
    },
    also.length === 0 ? destination : multistream(all)
  )
}

function standardOutput(): DestinationStream {
  if (process.stdout.isTTY) {
    const { build: pretty } = require('pino-pretty') as typeof import('pino-pretty')
    return pretty({ colorize: true, ignore: 'pid,hostname', sync: true })
  }
  return pino.destination({ dest: 1, sync: true })
}
