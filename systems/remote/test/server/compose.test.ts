import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect } from 'chai'
import { relaySchema } from '../../lib/server/relay-config'

const PACKAGE = resolve(__dirname, '../../..')
const ROOT = resolve(PACKAGE, '../..')
const read = (name: string) => readFileSync(join(PACKAGE, name), 'utf8')

describe('compose.yaml', () => {
  const compose = read('compose.yaml')
  const [, environment = ''] = /environment: &environment\n((?: {4}.*\n)+)/.exec(compose) ?? []
  const given = [...environment.matchAll(/^ {4}([A-Z_]+): (.*)$/gm)].map(([, name, value]) => ({
    name,
    value
  }))

  it('says to the relay what the relay understands, and no secret', () => {
    expect(given.length).to.be.above(8)
    for (const { name, value } of given) {
      expect(relaySchema.shape).to.have.property(name as string)
      if (/SECRET|ADMIN_TOKEN/.test(name as string)) expect(value, name).to.match(/^\$\{\w+:\?/)
    }
  })

  it('has two relays and a balancer that knows both, asks whether they are ready, and is the only open port', () => {
    expect(
      [...compose.matchAll(/^ {2}(relay\d):\n {4}<<: \*relay$/gm)].map(([, name]) => name)
    ).to.deep.equal(['relay1', 'relay2'])
    expect([...compose.matchAll(/^ {6}- "(\d+:\d+)"$/gm)].map(([, ports]) => ports)).to.deep.equal([
      '8443:8443'
    ])
    const balancer = read('haproxy.cfg')
    for (const name of ['relay1', 'relay2']) expect(balancer).to.include(`  server ${name} ${name}:8443\n`)
    expect(balancer).to.include('option httpchk GET /ready')
    expect(balancer).to.include(
      `check port ${given.find(({ name }) => name === 'ADMIN_PORT')?.value?.replaceAll('"', '')} `
    )
  })
})

describe('The certificates of compose.yaml', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'compose-'))
  after(() => rmSync(folder, { recursive: true }))

  /** What the service runs, with folders of this machine in the place of its volumes. */
  function run(host: string): X509Certificate {
    const [, script = ''] =
      /command:\n {6}- sh\n {6}- -ec\n {6}- \|\n((?: {8}.*\n)+)/.exec(read('compose.yaml')) ?? []
    const here = script
      .replaceAll('$$', '$')
      .replaceAll(/\/(?:authority|certs)\b(?!-)/g, path => join(folder, path))
    execFileSync('sh', ['-ec', here], { cwd: ROOT, env: { ...process.env, RELAY_HOST: host }, stdio: 'pipe' })
    return new X509Certificate(readFileSync(join(folder, 'certs/server.crt')))
  }

  it('are for the name by which the relay is reached, stay, and are others under the same authority for another name', () => {
    for (const name of ['certs', 'authority']) mkdirSync(join(folder, name))
    const first = run('relay.example')
    expect(first.checkHost('relay.example')).to.equal('relay.example')
    expect(first.checkHost('localhost')).to.equal('localhost')
    expect(run('relay.example').serialNumber).to.equal(first.serialNumber)
    const moved = run('192.0.2.7')
    expect(moved.checkIP('192.0.2.7')).to.equal('192.0.2.7')
    const authority = new X509Certificate(readFileSync(join(folder, 'certs/ca.crt')))
    for (const certificate of [first, moved]) expect(certificate.verify(authority.publicKey)).to.equal(true)
  })
})

describe('The Dockerfile of the relay', () => {
  const lines = read('Dockerfile').split('\n')

  it('starts a file that a build makes, and not as root', () => {
    const [, path = ''] = JSON.parse((lines.find(line => line.startsWith('CMD')) ?? '').slice(4)) as string[]
    expect(existsSync(join(ROOT, path)), path).to.equal(true)
    expect(lines).to.include('USER node')
  })

  it('takes no key, secret or data of this machine along', () => {
    expect(read('Dockerfile.dockerignore').split('\n')).to.include.members([
      '**/.env',
      '**/certs',
      '**/*.key',
      '.git'
    ])
  })
})
