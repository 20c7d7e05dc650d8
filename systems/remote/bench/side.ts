import { type Ask, type Contender, type Credentials, contenders } from './contenders'

/** What the parent asks of a side; the answer has the same id. */
export type Order =
  | { readonly do: 'listen'; readonly name: string; readonly credentials: Credentials }
  | {
      readonly do: 'connect'
      readonly name: string
      readonly credentials: Credentials
      readonly port: number
    }
  | { readonly do: 'warm'; readonly count: number; readonly outstanding: number; readonly bytes: number }
  | { readonly do: 'ask'; readonly ms: number; readonly outstanding: number; readonly bytes: number }

export interface Turn {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Microseconds of processor time for each request, of the side that asks. */
  readonly cpu: number
}

let ask: Ask | undefined

async function warm(count: number, outstanding: number, bytes: number): Promise<void> {
  const payload = { text: 'x'.repeat(bytes) }
  let left = count
  const one = async () => {
    while (left-- > 0) await ask?.(payload)
  }
  await Promise.all(Array.from({ length: outstanding }, one))
}

async function turn(ms: number, outstanding: number, bytes: number): Promise<Turn> {
  if (ask === undefined) throw new Error('there is no connection')
  const send = ask
  const payload = { text: 'x'.repeat(bytes) }
  const times: number[] = []
  global.gc?.({ type: 'minor' } as never)
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + ms
  const one = async () => {
    for (let now = performance.now(); now < end; ) {
      const answer = (await send(payload)) as typeof payload
      const later = performance.now()
      if (answer.text.length !== bytes) throw new Error('the answer is another one')
      times.push(later - now)
      now = later
    }
  }
  await Promise.all(Array.from({ length: outstanding }, one))
  const took = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  times.sort((left, right) => left - right)
  return {
    perSecond: (times.length / took) * 1_000,
    p50: times[times.length >> 1] as number,
    p99: times[Math.floor(times.length * 0.99)] as number,
    cpu: (user + system) / times.length
  }
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'listen':
      return await (contenders[order.name] as Contender).listen(order.credentials)
    case 'connect':
      ask = await (contenders[order.name] as Contender).connect(order.port, order.credentials)
      return null
    case 'warm':
      return await warm(order.count, order.outstanding, order.bytes)
    case 'ask':
      return await turn(order.ms, order.outstanding, order.bytes)
  }
}

process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    result => process.send?.({ id, result }),
    error => process.send?.({ id, error: String(error?.stack ?? error) })
  )
})
process.on('disconnect', () => process.exit())
