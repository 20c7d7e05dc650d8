/** Connections that are made before the first look, so that what is there once, compiled code above all, is not counted. */
const WARM_UP = 500

/** Connections asked for at once: a side has to answer in time also on a busy machine. */
const STEP = 100

/** Bytes of resident memory that one more idle connection costs the server's and the client's process. */
export async function measureMemory(pair, count) {
  await pair.listen()
  let made = 0
  const growTo = async total => {
    while (made < total) {
      const more = Math.min(STEP, total - made)
      made += more
      await pair.connect(more, made)
    }
    return { server: await pair.server.call('memory'), client: await pair.client.call('memory') }
  }
  const before = await growTo(WARM_UP)
  const after = await growTo(WARM_UP + count)
  return {
    serverBytes: (after.server - before.server) / count,
    clientBytes: (after.client - before.client) / count
  }
}
