import { useEffect, useReducer } from 'preact/hooks'

/** Renders anew when `source` tells that it has changed. */
export function useChanges(source: { subscribe(listener: () => void): () => void }): void {
  const [, renew] = useReducer<number, void>(count => count + 1, 0)
  useEffect(() => source.subscribe(() => renew()), [source])
}

/** Renders anew every so many milliseconds: for what says how long ago something was. */
export function useClock(interval: number): number {
  const [, renew] = useReducer<number, void>(count => count + 1, 0)
  useEffect(() => {
    const timer = setInterval(() => renew(), interval)
    return () => clearInterval(timer)
  }, [interval])
  return Date.now()
}
