/** Ctrl-C and its like leave nothing behind: no process, no port, no file. */
export function stopOnSignals(bench) {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1]
  ]) {
    process.on(signal, () => {
      bench.abort()
      process.exit(128 + number)
    })
  }
}
