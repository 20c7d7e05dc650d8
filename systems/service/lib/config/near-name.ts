/** By how many letters a misspelt name may differ; two make another word of a short one. */
const MISSPELT = { long: 2, short: 1, shortLength: 6 }

/** Names of OpenSSL that many machines have set: near one of ours, and never meant for us. */
const OF_OTHERS: readonly string[] = ['SSL_CERT_FILE', 'SSL_CERT_DIR']

/** @returns the one of the known names that was most likely meant, null for a name of somebody else */
export function nearName(name: string, known: Iterable<string>): string | null {
  if (OF_OTHERS.includes(name)) return null
  const given = name.toUpperCase()
  let best: string | null = null
  let least = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const letters = distance(given, candidate.toUpperCase())
    const { long, short, shortLength } = MISSPELT
    if (letters > (candidate.length <= shortLength ? short : long) || letters >= least) continue
    best = candidate
    least = letters
  }
  return best
}

/** Optimal string alignment: letters left out, added, replaced, or two neighbours exchanged. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MISSPELT.long) return Number.POSITIVE_INFINITY
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const exchanged = isExchanged ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, exchanged))
    }
    beforeLast = last
    last = row
  }
  return at(last, b.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
