import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { load } from 'js-yaml'
import { z } from 'zod'
import { brokerSchema } from '../../lib'

const PACKAGE = resolve(__dirname, '../../..')
const ROOT = resolve(PACKAGE, '../..')

function read(name: string): string {
  return readFileSync(join(PACKAGE, name), 'utf8')
}

/** A name and a version, from the engine's default registry; or what the file builds itself. */
const image = z.string().regex(/^(?:(?:[a-z]+\/)?[a-z]+:[\w.-]*\d[\w.-]*|token-broker)$/)
const duration = z.string().regex(/^\d+(?:ms|s|m|h)$/)
const command = z.union([z.string(), z.array(z.string())])

/** Of the Compose specification, what the file uses. A key that is none of it is refused. */
const composeFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  'x-image': z.unknown(),
  'x-broker': z.unknown(),
  services: z.record(
    z.string().regex(/^[a-zA-Z0-9._-]+$/),
    z.strictObject({
      image,
      build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
      command: command.optional(),
      depends_on: z
        .union([
          z.array(z.string()),
          z.record(
            z.string(),
            z.strictObject({
              condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully'])
            })
          )
        ])
        .optional(),
      environment: z.record(z.string(), z.string()).optional(),
      healthcheck: z
        .strictObject({
          test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], z.string()),
          interval: duration,
          timeout: duration,
          retries: z.number()
        })
        .optional(),
      ports: z.array(z.string().regex(/^\d+:\d+$/)).optional(),
      restart: z.enum(['no', 'always', 'unless-stopped', 'on-failure']).optional(),
      stop_grace_period: duration.optional(),
      ulimits: z.strictObject({ nofile: z.int() }).optional(),
      volumes: z.array(z.string().regex(/^[\w./-]+:\/[\w./-]+(?::ro)?$/)).optional()
    })
  ),
  volumes: z.record(z.string(), z.null())
})

/** Merge keys, which the engine takes and YAML 1.2 has no more. */
function merged(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(merged)
  if (typeof value !== 'object' || value === null) return value
  const { '<<': base, ...own } = value as Record<string, unknown>
  const entries = Object.entries(own).map(([key, item]) => [key, merged(item)])
  return { ...(base === undefined ? {} : (merged(base) as object)), ...Object.fromEntries(entries) }
}

describe('compose.yaml', () => {
  const compose = composeFile.parse(merged(load(read('compose.yaml'))))
  const { services, volumes } = compose
  const brokers = Object.entries(services).filter(([name]) => name.startsWith('broker'))

  it('has two brokers that are alike, a balancer and a Valkey that keeps what it is given', () => {
    expect(brokers.map(([name]) => name)).to.deep.equal(['broker1', 'broker2'])
    expect(brokers[0]?.[1]).to.deep.equal(brokers[1]?.[1])
    expect(services.valkey?.command).to.include.members(['--appendonly', 'yes'])
  })

  it('names only volumes and services that it has', () => {
    for (const { volumes: mounts = [], depends_on: needs = [] } of Object.values(services)) {
      const named = mounts.map(mount => mount.split(':')[0] as string).filter(name => !name.startsWith('.'))
      expect(Object.keys(volumes)).to.include.members(named)
      for (const name of Array.isArray(needs) ? needs : Object.keys(needs)) {
        expect(services).to.have.property(name)
      }
    }
  })

  it('mounts and builds what is there', () => {
    for (const { volumes: mounts = [], build } of Object.values(services)) {
      for (const mount of mounts.filter(text => text.startsWith('.'))) {
        expect(existsSync(join(PACKAGE, mount.split(':')[0] as string)), mount).to.equal(true)
      }
      if (build === undefined) continue
      expect(resolve(PACKAGE, build.context)).to.equal(ROOT)
      expect(existsSync(join(ROOT, build.dockerfile))).to.equal(true)
    }
  })

  it('says to the broker what the broker understands, and no secret', () => {
    const { environment = {} } = brokers[0]?.[1] ?? {}
    for (const [name, value] of Object.entries(environment)) {
      expect(brokerSchema.shape).to.have.property(name)
      if (/SECRET|ADMIN_TOKEN/.test(name)) expect(value, name).to.match(/^\$\{\w+:\?/)
    }
    const values = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.startsWith('$') ? 'x'.repeat(32) : value
      ])
    )
    expect(brokerSchema.parse(values)).to.include({
      MAX_CONNECTIONS_PER_ADDRESS: 0,
      MAX_CONNECT_RATE_PER_ADDRESS: 0
    })
  })

  it('opens the port of the devices only', () => {
    const open = Object.values(services).flatMap(({ ports = [] }) => ports)
    expect(open).to.deep.equal(['8883:8883'])
  })

  it('has a balancer that knows each broker, and asks each whether it is ready', () => {
    const config = read('haproxy.cfg')
    const servers = [...config.matchAll(/^ {2}server (\w+) (\w+):8883$/gm)].map(([, name, host]) => ({
      name,
      host
    }))
    expect(servers).to.deep.equal(brokers.map(([name]) => ({ name, host: name })))
    expect(config).to.include('option httpchk GET /ready')
    expect(config).to.include(`check port ${brokers[0]?.[1].environment?.ADMIN_PORT} `)
    expect(config).to.include('bind :8883')
  })
})

describe('The Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')
  const copied = lines.flatMap(line => /^COPY (?!--from)(.*) \S+$/.exec(line)?.[1]?.split(' ') ?? [])

  it('copies what is there', () => {
    expect(copied).not.to.have.length(0)
    for (const source of copied) expect(existsSync(join(ROOT, source)), source).to.equal(true)
  })

  it('starts a file of this package that a build makes, and not as root', () => {
    const start = lines.find(line => line.startsWith('CMD')) ?? ''
    const [, path] = JSON.parse(start.slice(4)) as [string, string]
    expect(existsSync(join(ROOT, path)), path).to.equal(true)
    expect(lines).to.include('USER node')
  })

  it('is built on pinned images', () => {
    for (const line of lines.filter(text => text.startsWith('FROM '))) {
      expect(image.safeParse(line.split(' ')[1]).success, line).to.equal(true)
    }
  })

  it('takes no key, secret or data of this machine along', () => {
    const ignored = read('Dockerfile.dockerignore').split('\n')
    expect(ignored).to.include.members(['**/.env', '**/certs', '**/broker-data', '**/*.key', '.git'])
  })
})
