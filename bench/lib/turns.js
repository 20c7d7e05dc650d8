import { contender } from './contenders/index.js'

/**
 * One contender's turn of an item, told as figures a message. `cpu` is microseconds of processor time of the one
 * that sends (or asks), of the one that receives (or answers), and of a broker when there is one.
 */
export const turn = {
  'one-way': async ({ sides, broker, item, size, name, ms }) => {
    if (name === 'idle') return await idle(sides, ms)
    const { isRaw = false, isSmall = false } = contender(name)
    const sender = item.direction === 'up' ? sides.client : sides.server
    const receiver = item.direction === 'up' ? sides.server : sides.client
    const options = { name, size, isRaw, isSmall, isTicked: item.isTicked }
    await receiver.call('receive', options)
    const brokerCpu = broker?.cpu() ?? 0
    const { count, startedAt } = await sender.call('send', { ...options, ms })
    const received = await receiver.call('received', { name, count })
    const sent = await sender.call('sent', { name })
    const messages = isRaw ? count / size : count
    return {
      rate: (messages / (received.endedAt - startedAt)) * 1000,
      ...costs(messages, sent.cpu, received.cpu, name === 'nats' ? broker.cpu() - brokerCpu : 0),
      ...(item.isTicked && ticks(sent.ticks, received.ticks))
    }
  },

  ask: async ({ sides, broker, item, size, name, ms }) => {
    const { isRaw = false } = contender(name)
    await sides.server.call('echo', { name, size, isRaw })
    const brokerCpu = broker?.cpu() ?? 0
    const asked = await sides.client.call('ask', { name, size, isRaw, ms, outstanding: item.outstanding })
    const echoed = await sides.server.call('echoed', { name })
    if (echoed.count !== asked.count) {
      throw new Error(`${asked.count} replies came to ${echoed.count} requests of ${name}`)
    }
    return {
      rate: (asked.count / (asked.endedAt - asked.startedAt)) * 1000,
      p50: asked.p50,
      p99: asked.p99,
      ...costs(asked.count, asked.cpu, echoed.cpu, name === 'nats' ? broker.cpu() - brokerCpu : 0)
    }
  },

  handshakes: async ({ sides, setting, ports, name, ms }) => {
    const before = await sides.server.call('accepted', { name })
    const made = await sides.client.call('handshakes', { kind: name, ms, setting, port: ports.get(name) })
    const after = await sides.server.call('accepted', { name })
    const count = after.count - before.count
    if (count !== made.count + made.before)
      throw new Error(`${count} of ${made.count} handshakes of ${name} arrived`)
    return {
      rate: (made.count / (made.endedAt - made.startedAt)) * 1000,
      ...costs(made.count, made.cpu, after.cpu - before.cpu, 0)
    }
  }
}

async function idle(sides, ms) {
  const [sent, received] = await Promise.all([
    sides.client.call('idle', { ms }),
    sides.server.call('idle', { ms })
  ])
  return ticks(sent, received)
}

function ticks(sent, received) {
  return {
    senderTicks: sent.perMs,
    receiverTicks: received.perMs,
    senderGap: sent.longest,
    receiverGap: received.longest
  }
}

function costs(messages, sender, receiver, broker) {
  const senderCpu = sender / messages
  const receiverCpu = receiver / messages
  const brokerCpu = broker / messages
  return { senderCpu, receiverCpu, brokerCpu, capacity: 1e6 / Math.max(senderCpu, receiverCpu, brokerCpu) }
}
