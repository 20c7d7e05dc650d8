/** Milliseconds of the machine's clock, which all processes share. */
export function now() {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

/** Microseconds of processor time that this process has used, all its threads together. */
export function cpu() {
  const { user, system } = process.cpuUsage()
  return user + system
}
