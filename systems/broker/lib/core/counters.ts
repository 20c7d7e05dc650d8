/** What the broker counts. Numbers only: whoever shows them reads them. */
export class Counters {
  /** Open connections that are authenticated. */
  connections = 0
  /** Connections that were accepted, authenticated or not. */
  accepted = 0
  /** Messages that clients published and that were allowed. */
  published = 0
  /** Messages handed to the sockets of subscribers. */
  delivered = 0
  /** Bytes of them, topics not counted. */
  deliveredBytes = 0
  /** QoS 0 messages that a slow client did not get. */
  droppedSlow = 0
  /** Connections cut because they did not take their messages. */
  cutSlow = 0
  /** Messages that found the queue of a session full. */
  droppedQueued = 0
  /** Retained messages that were not kept. */
  droppedRetained = 0
  /** Publishes that had to wait for their client's rate. */
  throttled = 0
  /** Connections refused at CONNECT. */
  refusedConnects = 0
  /** Subscriptions answered by SUBACK 0x80. */
  refusedSubscriptions = 0
  /** Publishes that closed their connection. */
  refusedPublishes = 0
  /** Connections closed by a packet that breaks the standard. */
  violations = 0
  /** Connections ended because their token expired or was revoked. */
  tokenEnded = 0
  /** Tokens renewed on an open connection. */
  tokenRenewed = 0
  /** Clients that were silent for 1.5 times their keep alive. */
  keepAliveTimeouts = 0
  /** Connections that sent no CONNECT in time. */
  connectTimeouts = 0
  /** Failures of the store. */
  storeErrors = 0
  /** Clients that connected to another broker while they were connected here. */
  takenOver = 0
  /** Times that all kept sessions were looked through, for messages of other brokers might be missing. Those of QoS 0 are lost. */
  catchUps = 0
}

/** Those that only grow. */
export type CounterName = Exclude<keyof Counters, 'connections'>

/** For people: what each of them counts, since the start. */
export const COUNTER_MEANINGS: Readonly<Record<CounterName, string>> = {
  accepted: 'Connections that were accepted, authenticated or not',
  published: 'Messages that clients published and that were allowed',
  delivered: 'Messages handed to the sockets of subscribers',
  deliveredBytes: 'Bytes of the payloads of delivered messages',
  droppedSlow: 'QoS 0 messages that a slow client did not get',
  cutSlow: 'Connections cut because they did not take their messages',
  droppedQueued: 'Messages that found the queue of a session full',
  droppedRetained: 'Retained messages that were not kept',
  throttled: 'Publishes that waited for the rate of their client',
  refusedConnects: 'Connections refused at CONNECT',
  refusedSubscriptions: 'Subscriptions answered by SUBACK 0x80',
  refusedPublishes: 'Publishes that closed their connection',
  violations: 'Connections closed by a packet that breaks the standard',
  tokenEnded: 'Connections ended because their token expired or was revoked',
  tokenRenewed: 'Tokens renewed on an open connection',
  keepAliveTimeouts: 'Clients that were silent for 1.5 times their keep alive',
  connectTimeouts: 'Connections that sent no CONNECT in time',
  storeErrors: 'Failures of the store',
  takenOver: 'Clients that connected to another broker while they were connected here',
  catchUps: 'Times that kept sessions were looked through, for messages of other brokers might be missing'
}
