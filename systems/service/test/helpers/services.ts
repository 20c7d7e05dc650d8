import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { loadCertificates, makeCerts } from '@token-server/certs'
import { onCleanUp } from '@token-server/test-helpers'
import { type BaseConfig, createService, type Service, type ServiceOptions } from '../../lib'

/** A folder of its own for a test; it is gone after it. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'service-test-'))
  onCleanUp(() => rmSync(made, { recursive: true, force: true }))
  return made
}

let shared: Promise<string> | undefined

/** Certificates of this run, made once. */
export function certificateFolder(): Promise<string> {
  shared ??= (async () => {
    const made = mkdtempSync(join(tmpdir(), 'service-certs-'))
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    await makeCerts({ out: made })
    return made
  })()
  return shared
}

/** Lines that a log has written. */
export class Lines {
  readonly all: Record<string, unknown>[] = []
  text = ''

  write(line: string): void {
    this.text += line
    this.all.push(JSON.parse(line) as Record<string, unknown>)
  }

  with(message: string): Record<string, unknown>[] {
    return this.all.filter(({ msg }) => String(msg).includes(message))
  }
}

export interface Started {
  readonly service: Service
  readonly port: number
  readonly lines: Lines
}

/** A service on a free port of 127.0.0.1, closed after the test. */
export async function startService({ config, ...over }: Partial<ServiceOptions> = {}): Promise<Started> {
  const lines = new Lines()
  const given: Partial<BaseConfig> = {
    HOST: '127.0.0.1',
    PORT: 0,
    CERTS_DIR: await certificateFolder(),
    SHUTDOWN_TIMEOUT: 2_000,
    ...config
  }
  const service = await createService({ name: 'test', signals: false, logTo: lines, ...over, config: given })
  onCleanUp(() => service.close())
  return { service, port: service.address.port, lines }
}

/** A client of TLS that has done its handshake. */
export async function tlsClient(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { ca } = loadCertificates(await certificateFolder(), 'server')
  const socket = connect({ host: '127.0.0.1', port, ca: ca(), ...options })
  onCleanUp(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** A request on a TLS connection of its own. */
export async function askTls(port: number, path: string, ask: Ask = {}): Promise<Answer> {
  const socket = await tlsClient(port, { ALPNProtocols: ['http/1.1'] })
  return asked(() => request({ createConnection: () => socket, path, ...optionsOf(ask) }), ask)
}

/** A request over plain HTTP. */
export function askPlain(port: number, path: string, ask: Ask = {}): Promise<Answer> {
  return asked(() => request({ host: '127.0.0.1', port, path, agent: false, ...optionsOf(ask) }), ask)
}

function optionsOf({ method = 'GET', headers = {} }: Ask) {
  return { method, headers }
}

async function asked(make: () => ReturnType<typeof request>, { body }: Ask): Promise<Answer> {
  const sent = make().end(body)
  const [response] = await once(sent, 'response')
  response.setEncoding('utf8')
  let text = ''
  for await (const part of response) text += part
  return { status: response.statusCode, headers: response.headers, body: text }
}
