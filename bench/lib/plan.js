import { CONTENDERS } from './contenders/index.js'

const KIB = 1024
const MIB = 1024 * KIB

const SIZES = { '16B': 16, '64B': 64, '1KiB': KIB, '16KiB': 16 * KIB, '64KiB': 64 * KIB, '1MiB': MIB }

const ALL = Object.keys(CONTENDERS)
const ASKING = ALL.filter(name => !CONTENDERS[name].isOneWay)
const MANY = ASKING.filter(name => !CONTENDERS[name].isSingle)

/** Large messages need memory that the system has to give first, and that is slow once. */
const WARM_UP_FACTORS = { [MIB]: 2 }

/** A program that connects again and again has compiled what it runs; some hundred handshakes are needed for that. */
const HANDSHAKES_WARM_UP = 2

/**
 * One message at a time runs a path a few thousand times a second, and V8 compiles what has run often: after 300 ms a request is
 * 2 to 4 times as dear as after 2 s, whoever asks.
 */
const ONE_AT_A_TIME_WARM_UP = 7

/**
 * What is measured, in stages: all contenders of a stage are connected at once, each in processes of its own, and take
 * turns in each of its items.
 * `base` is what the others are compared with.
 */
export const STAGES = [
  ...Object.entries(SIZES).map(([label, size]) => ({
    size,
    connections: 1,
    contenders: ALL,
    warmUpFactor: WARM_UP_FACTORS[size],
    items: [
      oneWay(`${label}-up`, `${spaced(label)}, client to server`, 'up'),
      oneWay(`${label}-down`, `${spaced(label)}, server to client`, 'down')
    ]
  })),
  {
    size: 64,
    connections: 1,
    contenders: ASKING,
    items: [
      {
        id: 'ping',
        title: 'ping, 64 B, one at a time',
        kind: 'ask',
        outstanding: 1,
        base: 'raw-tls',
        warmUpFactor: ONE_AT_A_TIME_WARM_UP
      },
      { id: '64-outstanding', title: '64 B, 64 outstanding', kind: 'ask', outstanding: 64, base: 'raw-tls' }
    ]
  },
  {
    size: 64,
    connections: 100,
    contenders: MANY,
    items: [
      {
        id: '100x1',
        title: '100 connections, 1 outstanding each',
        kind: 'ask',
        outstanding: 1,
        base: 'raw-tls'
      },
      {
        id: '100x16',
        title: '100 connections, 16 outstanding each',
        kind: 'ask',
        outstanding: 16,
        base: 'raw-tls'
      }
    ]
  },
  {
    size: 64,
    connections: 1,
    contenders: ['ours-request', 'socket.io-ack', 'grpc-unary', 'nats-request', 'raw-tls'],
    items: [
      {
        id: 'request',
        title: 'request, 64 B, one at a time',
        kind: 'ask',
        outstanding: 1,
        base: 'raw-tls',
        warmUpFactor: ONE_AT_A_TIME_WARM_UP
      },
      {
        id: 'request-64',
        title: 'request, 64 B, 64 outstanding',
        kind: 'ask',
        outstanding: 64,
        base: 'raw-tls'
      }
    ]
  },
  {
    size: 64,
    connections: 1,
    contenders: ['ours-2', 'ours-deliver', 'ours-session', 'raw-tls'],
    items: [
      {
        ...oneWay('deliver', '64 B by deliver() and send()', 'up', 'ours-2'),
        contenders: ['ours-2', 'ours-deliver']
      },
      {
        ...oneWay('64B-session', '64 B with a session', 'up', 'ours-2'),
        contenders: ['ours-2', 'ours-session']
      }
    ]
  },
  {
    size: MIB,
    connections: 1,
    warmUpFactor: WARM_UP_FACTORS[MIB],
    contenders: ['ours-2', 'ours-chunks', 'ours-session', 'raw-tls'],
    items: [
      {
        ...oneWay('1MiB-session', '1 MiB with a session', 'up', 'ours-2'),
        contenders: ['ours-2', 'ours-session']
      },
      {
        ...oneWay('1MiB-chunks-up', '1 MiB as chunks, client to server', 'up'),
        contenders: ['ours-2', 'ours-chunks', 'raw-tls']
      },
      {
        ...oneWay('1MiB-chunks-down', '1 MiB as chunks, server to client', 'down'),
        contenders: ['ours-2', 'ours-chunks', 'raw-tls']
      }
    ]
  },
  {
    size: 64,
    connections: 1,
    contenders: ['idle', 'ours-2', 'ours-1', 'raw-tls', 'raw-tls-small', 'ws'],
    items: [
      {
        ...oneWay('ticks', 'ticks of a 1 ms timer kept while 64 B stream at full speed', 'up', 'idle'),
        isTicked: true,
        turnFactor: 3
      }
    ]
  },
  {
    kind: 'handshakes',
    warmUpFactor: HANDSHAKES_WARM_UP,
    contenders: ['tls-full', 'tls-resumed', 'ours-full', 'ours-resumed'],
    items: [
      {
        id: 'handshakes',
        title: 'handshakes, processor time',
        kind: 'handshakes',
        base: 'tls-full',
        turnFactor: 6
      }
    ]
  },
  {
    kind: 'memory',
    contenders: ['raw-tls', 'ours-2', 'ours-1', 'ws'],
    items: [{ id: 'memory', title: 'memory of an idle connection', kind: 'memory', base: 'raw-tls' }]
  }
]

function spaced(label) {
  return label.replace(/\d+/, '$& ')
}

function oneWay(id, title, direction, base = 'raw-tls') {
  return { id, title, kind: 'one-way', direction, base }
}

/**
 * The stages with the items and contenders that were asked for. An item is chosen by its id or by what is before a
 * dash in it; what it is compared with stays.
 */
export function choose({ only, contenders }) {
  const isChosen = ({ id }) => only === null || only.some(name => id === name || id.startsWith(`${name}-`))
  const isWanted = (name, base) =>
    contenders === null || !(name in CONTENDERS) || contenders.includes(name) || name === base
  return STAGES.map(stage => {
    const items = stage.items.filter(isChosen).map(item => ({
      ...item,
      contenders: (item.contenders ?? stage.contenders).filter(name => isWanted(name, item.base))
    }))
    const used = new Set(items.flatMap(item => item.contenders))
    return { ...stage, items, contenders: stage.contenders.filter(name => used.has(name)) }
  }).filter(({ items }) => items.length > 0)
}

export function knownItems() {
  return STAGES.flatMap(({ items }) => items.map(({ id }) => id))
}
