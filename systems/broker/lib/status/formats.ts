/** Numbers and times for people. */

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** So many a second. */
export function rate(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : whole(value)
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

export function bytes(value: number): string {
  if (value < 1_024) return `${Math.round(value)} B`
  if (value < 1_048_576) return `${(value / 1_024).toFixed(1)} KiB`
  return value < 1_073_741_824
    ? `${(value / 1_048_576).toFixed(1)} MiB`
    : `${(value / 1_073_741_824).toFixed(1)} GiB`
}

export function clock(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

export function ago(milliseconds: number): string {
  return milliseconds < 1_000 ? 'just now' : `${duration(milliseconds / 1_000)} ago`
}

export function duration(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
