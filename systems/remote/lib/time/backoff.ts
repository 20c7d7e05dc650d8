/** Shortest and longest wait, milliseconds. */
export interface BackoffOptions {
  /** Default 250. */
  readonly first?: number
  /** Default 30,000. */
  readonly most?: number
}

/**
 * How long to wait before the next try: by chance anything up to 250 ms after the first failure, then up to 500 ms, 1 s … 30 s. The
 * whole range is left to chance so that a thousand clients of a relay that went away don't come back together.
 *
 * @param failures in a row, at least 1
 * @param random at least 0 and below 1
 */
export function backoff(
  failures: number,
  random: () => number,
  { first = 250, most = 30_000 }: BackoffOptions = {}
): number {
  return random() * Math.min(most, first * 2 ** Math.min(failures - 1, 30))
}
