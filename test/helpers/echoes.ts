import type { TokenClient } from '../../lib'

/** Echoes a second of a server that answers each token with one, 8 at once. */
export async function echoesPerSecond(client: TokenClient, count: number): Promise<number> {
  const begin = performance.now()
  let received = 0
  let sent = 0
  await new Promise<void>(resolve => {
    const onToken = () => {
      received++
      if (sent < count) client.send(Buffer.alloc(1024, sent++))
      if (received < count) return
      client.removeListener('token', onToken)
      resolve()
    }
    client.on('token', onToken)
    while (sent < 8) client.send(Buffer.alloc(1024, sent++))
  })
  return (count / (performance.now() - begin)) * 1000
}
