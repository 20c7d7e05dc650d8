/** Numbers as a reader wants them; MB are 1,000,000 bytes. */

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function megabytes(bytes: number): string {
  const value = bytes / 1e6
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} MB`
}

export function perSecond(amount: number, milliseconds: number): number {
  return (amount * 1000) / Math.max(milliseconds, 1)
}

export function minutes(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
