const METHODS = [
  'filter',
  'find',
  'findIndex',
  'includes',
  'indexOf',
  'lastIndexOf',
  'map',
  'splice'
] as const

/**
 * Places of arrays that code walked over, by any of the methods that may go over all of them: work that is counted, and
 * not timed.
 */
export async function walkedDuring(run: () => Promise<unknown>): Promise<number> {
  const prototype = Array.prototype as unknown as Record<string, (...args: unknown[]) => unknown>
  const right = METHODS.map(name => [name, prototype[name]] as const)
  let walked = 0
  for (const [name, method] of right) {
    prototype[name] = function (this: unknown[], ...args: unknown[]) {
      walked += this.length
      return method?.apply(this, args)
    }
  }
  try {
    await run()
  } finally {
    for (const [name, method] of right) if (method !== undefined) prototype[name] = method
  }
  return walked
}
