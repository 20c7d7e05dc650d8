/** Connections that are made before the first look, so that what is there once, compiled code above all, is not counted. */
const WARM_UP = 500

/** Connections asked for at once: a side has to answer in time also on a busy machine. */
const STEP = 100

/** Bytes of resident memory that one more idle connection costs the server's and the client's process. */
export async function measureMemory({ sides: { server, client }, name, setting, count }) {
  const { port } = await server.call('listen', { name, setting })
  let made = 0
  const growTo = async total => {
    while (made < total) {
      const more = Math.min(STEP, total - made)
      await client.call('connect', { name, setting, port, count: more })
      made += more
      await server.call('arrived', { name, count: made })
    }
    return { server: await server.call('memory'), client: await client.call('memory') }
  }
  const before = await growTo(WARM_UP)
  const after = await growTo(WARM_UP + count)
  return {
    serverBytes: (after.server - before.server) / count,
    clientBytes: (after.client - before.client) / count
  }
}
