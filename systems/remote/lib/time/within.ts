/**
 * What `run` brings, if it does so in time and before `signal` aborts. It is told by its own signal, and what it brings later is ignored.
 *
 * @param late what it rejects with otherwise
 */
export async function within<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  late: (why: 'late' | 'aborted') => Error,
  run: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const limit = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort: (() => void) | undefined
  try {
    return await new Promise<T>((resolve, reject) => {
      const end = (why: 'late' | 'aborted') => {
        reject(late(why))
        limit.abort()
      }
      onAbort = () => end('aborted')
      if (signal?.aborted === true) return onAbort()
      signal?.addEventListener('abort', onAbort)
      timer = setTimeout(() => end('late'), milliseconds)
      run(limit.signal).then(resolve, reject)
    })
  } finally {
    clearTimeout(timer)
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
  }
}
