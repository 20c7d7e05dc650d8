/** True when the big figures of the catalogue are asked for. */
export const isLong = process.env.LONG === '1'

export const MIB = 1024 * 1024

/** Prints what was measured, beside the title of the test. */
export function figures(text: string): void {
  console.log(`        ${text}`)
}

/** The value below which 99 of 100 lie. */
export function p99(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0
}

/** Numbers from 0 to 2³²−1 that one seed determines (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}
