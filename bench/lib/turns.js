/**
 * A turn of an item by a pair of processes, told as figures a message. `cpu` is microseconds of processor time of the one
 * that sends (or asks), of the one that receives (or answers), and of a broker when there is one. `busyMs` is the processor
 * time of the side that worked less.
 */
export const turn = {
  'one-way': async ({ pair, broker, item, size, ms }) => {
    const { isIdle, isRaw = false, isSmall = false, needsBroker } = pair.contender
    if (isIdle) return await idle(pair, ms)
    const sender = item.direction === 'up' ? pair.client : pair.server
    const receiver = item.direction === 'up' ? pair.server : pair.client
    const options = { size, isRaw, isSmall, isTicked: item.isTicked }
    await receiver.call('receive', options)
    const brokerCpu = broker?.cpu() ?? 0
    const { count, startedAt } = await sender.call('send', { ...options, ms })
    const received = await receiver.call('received', { count })
    const sent = await sender.call('sent')
    const messages = isRaw ? count / size : count
    return {
      rate: (messages / (received.endedAt - startedAt)) * 1000,
      ...costs(messages, sent.cpu, received.cpu, needsBroker ? broker.cpu() - brokerCpu : 0),
      ...(item.isTicked && ticks(sent.ticks, received.ticks))
    }
  },

  ask: async ({ pair, broker, item, size, ms }) => {
    const { isRaw = false, needsBroker } = pair.contender
    await pair.server.call('echo', { size, isRaw })
    const brokerCpu = broker?.cpu() ?? 0
    const asked = await pair.client.call('ask', { size, isRaw, ms, outstanding: item.outstanding })
    const echoed = await pair.server.call('echoed')
    if (echoed.count !== asked.count) {
      throw new Error(`${asked.count} replies came to ${echoed.count} requests`)
    }
    return {
      rate: (asked.count / (asked.endedAt - asked.startedAt)) * 1000,
      p50: asked.p50,
      p99: asked.p99,
      ...costs(asked.count, asked.cpu, echoed.cpu, needsBroker ? broker.cpu() - brokerCpu : 0)
    }
  },

  handshakes: async ({ pair, ms }) => {
    const before = await pair.server.call('accepted')
    const made = await pair.connectAgainFor(ms)
    const after = await pair.server.call('accepted')
    const count = after.count - before.count
    if (count !== made.count + made.before) throw new Error(`${count} of ${made.count} handshakes arrived`)
    return {
      rate: (made.count / (made.endedAt - made.startedAt)) * 1000,
      ...costs(made.count, made.cpu, after.cpu - before.cpu, 0)
    }
  }
}

async function idle({ client, server }, ms) {
  const [sent, received] = await Promise.all([client.call('idle', { ms }), server.call('idle', { ms })])
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
  return {
    senderCpu,
    receiverCpu,
    brokerCpu,
    capacity: 1e6 / Math.max(senderCpu, receiverCpu, brokerCpu),
    busyMs: Math.min(sender, receiver) / 1000
  }
}
