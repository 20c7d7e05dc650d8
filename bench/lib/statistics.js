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

/** Five values lie on the same side of their median by chance once in 16 times: they tell nothing with 95 %. */
const LEAST_FOR_INTERVAL = 6

/**
 * Where the median of what these values are a sample of lies, with about 95 %: between two of the values themselves,
 * whatever they are distributed like; of too few, anywhere.
 */
export function medianInterval(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  if (sorted.length < LEAST_FOR_INTERVAL)
    return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const rank = Math.floor((sorted.length - 1.96 * Math.sqrt(sorted.length)) / 2)
  const place = Math.max(0, rank - 1)
  return { low: sorted[place], high: sorted[sorted.length - 1 - place] }
}

/**
 * What `values` are of `base`, round by round: both were measured within the same second, so what slows the
 * machine down slows both.
 */
export function spreadOfRatios(values, base) {
  return spread(values.map((value, round) => value / (base[round] ?? Number.NaN)))
}
