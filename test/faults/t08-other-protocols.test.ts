import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Refusal } from '../../lib'
import { figures, isLong } from '../helpers/figures'
import { closesWhatItOpened, connectPair, onCleanUp, startServer } from '../helpers/loopback'
import { needProgram } from '../helpers/need'

interface Finding {
  id: string
  severity: string
  finding: string
}

/** What holds of any certificate that a private authority signed, and is no finding here. */
const OF_PRIVATE_AUTHORITIES = new Set(['cert_chain_of_trust', 'cert_revocation'])

/** A hello of that version, with one old suite and no extension. */
function hello(version: string): Buffer {
  const body = `${version}${'11'.repeat(32)}00${'0002'}002f${'01'}00`
  const length = (body.length / 2).toString(16)
  return Buffer.from(`1603010${'0'}${(body.length / 2 + 4).toString(16)}010000${length}${body}`, 'hex')
}

const STRANGERS: Record<string, Buffer> = {
  'plain tokens': Buffer.from('0000000568656c6c6f', 'hex'),
  'an HTTP request': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  'an HTTP/2 preface': Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'an SSH greeting': Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  'an SSLv2 hello': Buffer.from(
    `802e0100020015000000100100800200800300800400800500800600400700c0${'22'.repeat(16)}`,
    'hex'
  ),
  'an SSLv3 hello': hello('0300'),
  'a TLS 1.0 hello': hello('0301'),
  'a TLS 1.1 hello': hello('0302'),
  'a TLS 1.2 hello': hello('0303'),
  'a record longer than TLS allows': Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(0xffff)]),
  'a heartbeat request': Buffer.from('1803020003014000', 'hex'),
  'nothing but zeros': Buffer.alloc(64 * 1024)
}

describe('T8 other protocols on the port', () => {
  closesWhatItOpened()

  for (const [title, bytes] of Object.entries(STRANGERS)) {
    it(`T8 refuses ${title}, closes, and goes on`, async () => {
      const { server, port } = await startServer()
      const refusals: Refusal[] = []
      server.on('refused', refusal => refusals.push(refusal))
      const socket = connect(port, '127.0.0.1')
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      socket.resume()
      socket.write(bytes)
      await new Promise(resolve => socket.on('close', resolve))
      await connectPair(server)
      expect(refusals.map(refusal => refusal.code)).to.deep.equal(['ERR_HANDSHAKE'])
      expect(server.connections.size).to.equal(1)
    })
  }

  it('T8 has no finding of testssl above LOW, with the defaults', async function () {
    this.timeout(isLong ? 600_000 : 120_000)
    needProgram(this, 'testssl', 'testssl.sh')
    const { server, port } = await startServer()
    expect(above(await testssl(port))).to.deep.equal([])
    await connectPair(server)
  })

  /** What testssl found. */
  async function testssl(port: number): Promise<Finding[]> {
    const folder = await mkdtemp(join(tmpdir(), 'testssl-'))
    onCleanUp(() => rm(folder, { recursive: true }))
    const path = join(folder, 'out.json')
    const checks = isLong ? [] : ['--fast', '--protocols', '--vulnerable']
    const begin = performance.now()
    const program = spawn(
      'testssl',
      ['--quiet', '--color', '0', '--warnings', 'off', ...checks, '-oj', path, `127.0.0.1:${port}`],
      { stdio: 'ignore' }
    )
    await once(program, 'exit')
    const findings = JSON.parse(await readFile(path, 'utf8')) as Finding[]
    figures(`testssl: ${findings.length} findings in ${(performance.now() - begin).toFixed(0)} ms`)
    return findings
  }

  function above(findings: Finding[]): string[] {
    return findings
      .filter(({ id }) => !OF_PRIVATE_AUTHORITIES.has(id))
      .filter(({ severity }) => ['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'].includes(severity))
      .map(({ id, severity, finding }) => `${severity} ${id}: ${finding}`)
  }
})
