import type { X509Certificate } from 'node:crypto'
import { clock } from '../runtime/clock'
import { WallClockDeadline } from '../runtime/wall-clock-deadline'
import { validityOf } from './peer'
import type { TrustSources } from './trust-anchors'

const DAY = 86_400_000

/** Days before the end at which it is told, unless option `expiryNoticeDays` says others. */
export const NOTICE_DAYS: readonly number[] = Object.freeze([14, 1])

/** A certificate that ends soon. */
export interface ExpiringCertificate {
  /** The subject as Node prints it. */
  readonly subject: string
  readonly validTo: Date
  /** One of `expiryNoticeDays`: how many days ahead this notice comes, or should have come. */
  readonly days: number
}

/** A list of revoked certificates that has to be renewed soon: when it has ended, nobody of its issuer is let in. */
export interface ExpiringList {
  /** The subject of the authority in `ca` that has issued it, as Node prints it; empty when it is not there. */
  readonly issuer: string
  readonly nextUpdate: Date
  /** One of `expiryNoticeDays`: how many days ahead this notice comes, or should have come. */
  readonly days: number
}

/** When to tell of an end. */
export interface Notice {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly days: number
}

/** Tells each of some ends a few days before: of certificates, or of whatever `onExpiring` makes of them. */
export class ExpiryNotices {
  readonly #days: readonly number[]
  #timers: WallClockDeadline[] = []

  /** @param days before each end */
  constructor(days: readonly number[] = NOTICE_DAYS) {
    this.#days = days
  }

  /** Watches one more end. @param earliest no notice comes before: milliseconds since 1970, as `end` */
  add(end: number, onExpiring: (days: number) => void, earliest?: number): void {
    for (const { at, days } of expiryNotices(end, clock.date(), this.#days, earliest))
      this.#timers.push(new WallClockDeadline(new Date(at), () => onExpiring(days)))
  }

  /** Watches the ends of certificates of this side. */
  addCertificates(
    certificates: readonly X509Certificate[],
    onExpiring: (certificate: ExpiringCertificate) => void
  ): void {
    for (const certificate of certificates) {
      const { subject } = certificate
      const end = validityOf(certificate).notAfter
      this.add(end, days => onExpiring(Object.freeze({ subject, validTo: new Date(end), days })))
    }
  }

  /** Watches the ends of lists: they are short-lived, so none is told before half of its time is over. */
  addLists({ cas, lists }: TrustSources, onExpiring: (list: ExpiringList) => void): void {
    for (const { issuer, notBefore, notAfter } of lists?.newest(cas) ?? []) {
      const half = notBefore + (notAfter - notBefore) / 2
      const tell = (days: number) =>
        onExpiring(Object.freeze({ issuer, nextUpdate: new Date(notAfter), days }))
      this.add(notAfter, tell, half)
    }
  }

  /** Watches none any more. */
  clear(): void {
    for (const timer of this.#timers.splice(0)) timer.clear()
  }
}

/**
 * When to tell that something ends; a time that has passed means at once. Of the notices that were missed, or that come at the
 * same time, only the last one is given.
 *
 * @param end and now, earliest: milliseconds since 1970; no notice comes before `earliest`
 * @param days before the end, in any order
 */
export function expiryNotices(
  end: number,
  now: number,
  days: readonly number[] = NOTICE_DAYS,
  earliest = Number.NEGATIVE_INFINITY
): Notice[] {
  const inOrder = [...days].sort((one, other) => other - one)
  const notices = inOrder.map(count => ({ at: Math.max(end - count * DAY, earliest), days: count }))
  return notices.filter(({ at }, i) => {
    const next = notices[i + 1]?.at ?? end
    return now < next && at < next
  })
}
