/** Three digits, with k and M: `8.51 M`. */
export function amount(value) {
  if (!Number.isFinite(value)) return '–'
  for (const [factor, unit] of [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k']
  ]) {
    if (Math.abs(value) >= factor * 0.9995) return digits(value / factor) + unit
  }
  return digits(value)
}

/** Three digits, never an exponent. */
export function digits(value) {
  if (!Number.isFinite(value)) return '–'
  // Rounded first: 9.999 has become 10.0.
  const size = Math.abs(Number(value.toPrecision(3)))
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return size >= 1 ? value.toFixed(2) : value.toFixed(3)
}

/** `0.42 (0.41–0.45)`: a ratio and its quartiles. */
export function ratio(spread) {
  if (spread === null || spread === undefined || !Number.isFinite(spread.median)) return '–'
  return spread.count > 1
    ? `${digits(spread.median)} (${digits(spread.low)}–${digits(spread.high)})`
    : digits(spread.median)
}
