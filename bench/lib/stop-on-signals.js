/** Ctrl-C and its like leave nothing behind: no process, no port, no file. */
export function stopOnSignals(bench) {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1]
  ]) {
    process.once(signal, async () => {
      await bench.stop({ isAbrupt: true })
      process.exit(128 + number)
    })
  }
}
