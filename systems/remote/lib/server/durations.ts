const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `10m`, `12h`, `30d`. @param most likewise @returns milliseconds @throws Error */
export function durationOf(text: string, most?: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count === undefined || unit === undefined || Number(count) === 0)
    throw new Error(`${text} is no time: it is a count with s, m, h or d behind it`)
  const duration = Number(count) * (UNITS[unit] as number)
  if (most !== undefined && duration > durationOf(most))
    throw new Error(`${text} is too long: ${most} at most`)
  return duration
}

/** A duration from now on, or a day or a moment as ISO 8601 writes it. @returns milliseconds since 1970 @throws Error */
export function endOf(text: string, now: number): number {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return now + durationOf(text)
  const end = Date.parse(text)
  if (Number.isNaN(end)) throw new Error(`${text} is no day`)
  return end
}

/** For people: the largest unit that fits. */
export function sinceText(milliseconds: number): string {
  const unit = ['d', 'h', 'm'].find(each => milliseconds >= (UNITS[each] as number)) ?? 's'
  return `${Math.max(0, Math.floor(milliseconds / (UNITS[unit] as number)))}${unit}`
}
