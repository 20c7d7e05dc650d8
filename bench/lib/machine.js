import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { commitOf, OWN_CHECKOUT } from './library.js'

const PACKAGES = [
  ...['ws', 'bufferutil', 'socket.io', '@grpc/grpc-js', '@nats-io/transport-node', 'zeromq', 'frame-stream'],
  ...['length-prefixed-stream', 'token-server-1']
]

/** Where and with what it was measured. */
export function machine({ versions: others, isPinned }) {
  const [first] = cpus()
  const versions = { 'token-server': versionIn('../../package.json') }
  for (const name of PACKAGES) {
    const version = versionIn(`../node_modules/${name}/package.json`)
    if (version !== null) versions[name.replace('token-server-1', 'token-server (npm)')] = version
  }
  return {
    processor: first?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    node: process.version,
    openssl: process.versions.openssl,
    isPinned,
    commit: commitOf(OWN_CHECKOUT),
    versions: { ...versions, ...others }
  }
}

/** In one line, for below a chart. */
export function machineLine({ processor, cores, system, node, openssl }) {
  return `${processor}, ${cores} cores, ${system}, Node ${node.slice(1)}, OpenSSL ${openssl}`
}

export function versionsLine({ versions }) {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
}

function versionIn(path) {
  const url = new URL(path, import.meta.url)
  return existsSync(url) ? JSON.parse(readFileSync(url, 'utf8')).version : null
}
