/** The value below which the part `q` of the values lies, drawn straight between neighbours; NaN of none. */
export function quantile(values, q) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  if (sorted.length === 0) return Number.NaN
  const place = (sorted.length - 1) * q
  const below = Math.floor(place)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below)
}

/** Median and quartiles: a busy machine moves a mean, and leaves these where they are. */
export function spread(values) {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    count: values.filter(Number.isFinite).length
  }
}

/**
 * What `values` are of `base`, round by round: both were measured within the same second, so what slows the
 * machine down slows both.
 */
export function spreadOfRatios(values, base) {
  return spread(values.map((value, round) => value / (base[round] ?? Number.NaN)))
}
