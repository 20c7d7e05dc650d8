/** Connections that are made before the first look, so that what is there once is not counted. */
const WARM_UP = 50

/** Bytes of resident memory that one more idle connection costs the server's and the client's process. */
export async function measureMemory({ sides: { server, client }, name, setting, count }) {
  const { port } = await server.call('listen', { name, setting })
  const grow = async (more, total) => {
    await client.call('connect', { name, setting, port, count: more })
    await server.call('arrived', { name, count: total })
    return { server: await server.call('memory'), client: await client.call('memory') }
  }
  const before = await grow(WARM_UP, WARM_UP)
  const after = await grow(count, WARM_UP + count)
  return {
    serverBytes: (after.server - before.server) / count,
    clientBytes: (after.client - before.client) / count
  }
}
