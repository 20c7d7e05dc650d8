/** What is counted, to be printed. */
export interface Counts {
  steps: number
  handed: number
  answered: number
  resumed: number
  lost: number
  kills: number
  thrown: number
}

export function noCounts(): Counts {
  return { steps: 0, handed: 0, answered: 0, resumed: 0, lost: 0, kills: 0, thrown: 0 }
}

export function addCounts(total: Counts, counts: Counts): void {
  for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name]
}
