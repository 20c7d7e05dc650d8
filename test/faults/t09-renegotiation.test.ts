import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import type { Connection } from '../../lib'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, connectPair, onCleanUp, startServer, tlsOptions } from '../helpers/loopback'
import { needProgram } from '../helpers/need'

describe('T9 renegotiation and early data', () => {
  closesWhatItOpened()

  it('T9 lets 0 of 6 renegotiations of a TLS 1.2 client succeed', async () => {
    const { server, port } = await startServer({ minVersion: 'TLSv1.2' })
    let succeeded = 0
    for (let attempt = 0; attempt < 6; attempt++) {
      const accepted = once(server, 'connection') as Promise<[Connection]>
      const options = await tlsOptions(port)
      const socket = connect({ ...options, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' })
      onCleanUp(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      const [connection] = await accepted
      expect((connection.socket as TLSSocket).getProtocol()).to.equal('TLSv1.2')
      const outcome = await new Promise<Error | null>(resolve => {
        socket.once('error', resolve)
        socket.once('close', () => resolve(new Error('closed')))
        if (!socket.renegotiate({ rejectUnauthorized: false }, resolve)) resolve(new Error('not begun'))
      })
      if (outcome === null) succeeded++
      socket.destroy()
      await connection.closed
    }
    expect(succeeded).to.equal(0)
    await connectPair(server)
  })

  it('T9 destroys the connection of a client that insists', async () => {
    const { server, port } = await startServer({ minVersion: 'TLSv1.2' })
    const accepted = once(server, 'connection') as Promise<[Connection]>
    const socket = connect({ ...(await tlsOptions(port)), maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' })
    onCleanUp(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    const [connection] = await accepted
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.renegotiate({}, () => {})
    // Node's client takes the refusal for fatal, and leaves.
    await closed
    await connection.closed
    expect(server.connections.size).to.equal(0)
  })

  it('T9 refuses the renegotiation of openssl s_client', async function () {
    needProgram(this, 'openssl')
    const { server, port } = await startServer({ minVersion: 'TLSv1.2' })
    const accepted = once(server, 'connection')
    const client = await sClient(port, ['-tls1_2'])
    await accepted
    client.stdin.write('R\n')
    const output = await textOf(client)
    expect(output).to.match(/RENEGOTIATING/)
    expect(output).to.match(/no renegotiation/i)
    await connectPair(server)
  })

  it('T9 offers no early data (0-RTT) in TLS 1.3, also to a session that resumes', async function () {
    needProgram(this, 'openssl')
    const { server, port } = await startServer()
    server.on('token', (token, connection) => {
      connection.send(token)
      connection.close()
    })
    const folder = await mkdtemp(join(tmpdir(), 'token-server-'))
    onCleanUp(() => rm(folder, { recursive: true }))
    const session = join(folder, 'session')
    const early = join(folder, 'early')
    const frame = Buffer.from('0000000474657374', 'hex')
    await writeFile(early, frame)

    const first = await sClient(port, ['-sess_out', session], folder)
    first.stdin.write(frame)
    const firstText = await textOf(first)
    expect(firstText).to.match(/Max Early Data: 0/)

    const second = await sClient(port, ['-sess_in', session, '-early_data', early], folder)
    second.stdin.write(frame)
    const secondText = await textOf(second)
    expect(secondText).to.match(/Early data was not sent|Early data was rejected/)
    expect(secondText).not.to.match(/Early data was accepted/)
  })

  async function sClient(port: number, extra: string[], folder?: string) {
    const place = folder ?? (await mkdtemp(join(tmpdir(), 'token-server-')))
    if (folder === undefined) onCleanUp(() => rm(place, { recursive: true }))
    const { ca, client } = await certificates()
    for (const [name, pem] of Object.entries({
      'ca.pem': ca,
      'client.pem': client.cert,
      'key.pem': client.key
    })) {
      await writeFile(join(place, name), pem, { mode: 0o600 })
    }
    const options = ['-CAfile', 'ca.pem', '-cert', 'client.pem', '-key', 'key.pem']
    const program = spawn(
      'openssl',
      ['s_client', '-connect', `127.0.0.1:${port}`, '-alpn', 'token/1', ...options, ...extra],
      { cwd: place }
    )
    onCleanUp(() => program.kill('SIGKILL'))
    program.stdin.on('error', () => {})
    return program
  }

  async function textOf(program: Awaited<ReturnType<typeof sClient>>): Promise<string> {
    let text = ''
    program.stdout.on('data', data => {
      text += data
    })
    program.stderr.on('data', data => {
      text += data
    })
    await once(program, 'close')
    return text
  }
})
