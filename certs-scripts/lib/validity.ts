import { CertsError, quoted } from './errors'
import type { ValidityOptions } from './types'

/** The two instants of a certificate. */
export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

export const dayLength = 86_400_000
const clockTolerance = 3_600_000
const maxDays = 36_500

/**
 * The two instants that the options mean. `latest` is the authority's end, which `days` never passes.
 * @throws {CertsError} ERR_CERTS_VALIDITY for a bad number or date, or for an end before the start;
 * ERR_CERTS_AUTHORITY when the authority has ended before the certificate would start.
 */
export function resolveValidity(options: ValidityOptions, defaultDays: number, latest?: Date): Validity {
  const { days = defaultDays, notBefore, notAfter } = options
  if (!Number.isInteger(days) || days < 1 || days > maxDays) {
    throw refuse(`days is not an integer from 1 to ${maxDays} (${quoted(days)})`)
  }
  for (const date of [notBefore, notAfter]) {
    if (date !== undefined && Number.isNaN(date.getTime())) throw refuse('a date is not valid')
  }

  const now = Date.now()
  const end = notAfter ?? earlier(new Date((notBefore?.getTime() ?? now) + days * dayLength), latest)
  const start = notBefore ?? defaultStart(now, notAfter)
  if (latest !== undefined && notAfter === undefined && latest.getTime() <= Math.max(start.getTime(), now)) {
    throw new CertsError(
      'ERR_CERTS_AUTHORITY',
      `Cannot sign a certificate: its authority ends before it would start (${latest.toISOString()})`
    )
  }
  if (end <= start) {
    throw refuse(`it would end before it starts (${start.toISOString()} to ${end.toISOString()})`)
  }
  return { notBefore: start, notAfter: end }
}

/** How many days a certificate holds, rounded, as an option `days` can say it. */
export function daysOf({ notBefore, notAfter }: Validity): number {
  const days = Math.round((notAfter.getTime() - notBefore.getTime()) / dayLength)
  return Math.min(Math.max(days, 1), maxDays)
}

// A certificate that is to be long expired still needs a start before its end.
function defaultStart(now: number, notAfter: Date | undefined): Date {
  const start = new Date(now - clockTolerance)
  return notAfter === undefined ? start : earlier(start, new Date(notAfter.getTime() - dayLength))
}

function earlier(one: Date, other: Date | undefined): Date {
  return other !== undefined && other < one ? other : one
}

function refuse(reason: string): CertsError {
  return new CertsError('ERR_CERTS_VALIDITY', `Cannot make a certificate: ${reason}`)
}
