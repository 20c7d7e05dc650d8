import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Connection, Refusal, TokenError } from '../../lib'
import { type Certificates, certificates } from '../helpers/certificates'
import { figures } from '../helpers/figures'
import { closesWhatItOpened, makeClient, onCleanUp, startServer } from '../helpers/loopback'
import { needProgram } from '../helpers/need'
import { Program, ROOT, remove, temporaryFolder } from '../helpers/program'

describe('token/1 peers in Python', () => {
  closesWhatItOpened()

  let folder: string
  /** The lines of section 15, as they stand on the page: those that connect, then those that send and receive. */
  let connecting: string
  let speaking: string

  before(async function () {
    needProgram(this, 'python3')
    const page = readFileSync(join(ROOT, 'docs/wire-format.md'), 'utf8')
    const section = page.slice(page.indexOf('## 15.'), page.indexOf('## 16.'))
    const block = /\*\*Python\*\*\s+```python\n([\s\S]*?)```/.exec(section)?.[1] as string
    const border = block.indexOf('def send')
    connecting = block.slice(0, border)
    speaking = block.slice(border)

    const { ca, client, server, bad } = await certificates()
    folder = temporaryFolder()
    const files = {
      'ca.crt': ca,
      'client.crt': client.cert,
      'client.key': client.key,
      'server.crt': server.cert,
      'server.key': server.key,
      'stranger.crt': bad.stranger.cert,
      'stranger.key': bad.stranger.key
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  })
  after(() => {
    if (folder !== undefined) remove(folder)
  })

  function python(source: string): Program {
    const program = new Program('python3', ['-u', '-c', source], folder)
    onCleanUp(async () => {
      program.kill('SIGKILL')
      await program.ended
    })
    return program
  }

  function client(port: number, source: string): Program {
    return python(`host, port = 'localhost', ${port}\n${connecting}${speaking}${source}`)
  }

  /** Serves one client with the functions of the page. Only what stands before them is not the page's. */
  function server(source: string): Program {
    return python(`import socket, ssl, struct
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile='ca.crt')
tls.load_cert_chain('server.crt', 'server.key')
tls.verify_mode = ssl.CERT_REQUIRED
tls.set_alpn_protocols(['token/1'])
listener = socket.create_server(('127.0.0.1', 0))
print('port', listener.getsockname()[1])
raw, _ = listener.accept()
secure = tls.wrap_socket(raw, server_side=True)
print(secure.selected_alpn_protocol(), secure.getpeercert()['subject'][0][0][1])
file = secure.makefile('rwb')
${speaking}${source}`)
  }

  async function portOf(program: Program): Promise<number> {
    await program.printed('\n')
    return Number(/^port (\d+)$/m.exec(program.stdout)?.[1])
  }

  async function succeeded(program: Program): Promise<string> {
    const { code, stdout, stderr } = await program.ended
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    return stdout
  }

  const LENGTHS = [0, 1, 5, 16_384, 65_536, 1_000_000, 8 << 20]
  const TOKENS = LENGTHS.map(length => Buffer.alloc(length, 'token '))
  /** The same tokens in Python. */
  const PYTHON_TOKENS = `tokens = [(b'token ' * (n // 6 + 1))[:n] for n in [${LENGTHS}]]`

  function digest(tokens: Buffer[]): string {
    const hash = createHash('sha256')
    for (const token of tokens) hash.update(`${token.length}:`).update(token)
    return hash.digest('hex')
  }
  const PYTHON_DIGEST = `import hashlib
def digest(tokens):
    hash = hashlib.sha256()
    for token in tokens: hash.update(b'%d:' % len(token) + token)
    return hash.hexdigest()`

  it('a Python client and TokenServer exchange tokens of each length, and part in order', async () => {
    const { server, port } = await startServer()
    const received: Buffer[] = []
    server.on('token', (token, connection) => {
      received.push(token)
      connection.send(token)
    })
    const accepted = once(server, 'connection')
    const program = client(
      port,
      `${PYTHON_DIGEST}
${PYTHON_TOKENS}
answers = []
for token in tokens: send(token); answers.append(receive())
print(digest(answers))
file.close()
`
    )
    const [connection] = (await accepted) as [Connection]
    expect(connection.protocol).to.equal('token/1')
    expect(connection.peer?.subject).to.equal('CN=ann')
    expect((await succeeded(program)).trim()).to.equal(digest(TOKENS))
    expect(digest(received)).to.equal(digest(TOKENS))
    figures(`${TOKENS.length} tokens, 0 to ${8 << 20} bytes, there and back`)
  })

  it('a Python client reads the orderly end of the server as None', async () => {
    const { server, port } = await startServer()
    server.on('token', (token, connection) => {
      connection.send(token)
      connection.close()
    })
    const program = client(port, "send(b'last')\nprint(receive(), receive())\n")
    expect(await succeeded(program)).to.equal("b'last' None\n")
  })

  it('a Python client that ends in the middle of a frame is told as ERR_TRUNCATED', async () => {
    const { server, port } = await startServer()
    const broken = once(server, 'connectionError')
    server.on('token', (token, connection) => connection.send(token))
    // The answer comes behind the tickets of TLS: a socket that is closed with something unread is reset.
    const program = client(
      port,
      "send(b'whole'); receive(); file.write(struct.pack('>I', 9) + b'half'); file.flush(); file.close()\n"
    )
    const [error] = (await broken) as [TokenError]
    expect(error.code).to.equal('ERR_TRUNCATED')
    await succeeded(program)
  })

  it('a Python client with a certificate of a stranger is refused before a token of it is read', async () => {
    const { server, port } = await startServer()
    const seen: string[] = []
    server.on('connection', () => seen.push('connection'))
    server.on('token', () => seen.push('token'))
    const refused = once(server, 'refused')
    const program = python(
      `host, port = 'localhost', ${port}\n${connecting.replaceAll('client.', 'stranger.')}${speaking}send(b'secret')\nreceive()\n`
    )
    const [refusal] = await refused
    expect(refusal.code).to.equal('ERR_CERTIFICATE')
    await program.ended
    expect(seen).to.deep.equal([])
  })

  for (const [what, pick, from, to, alert, words] of [
    [
      'the authority',
      ({ server }: Certificates) => server,
      "'ca.crt'",
      "'stranger.crt'",
      'UNKNOWN_CA',
      /does not know the authority that has signed this side's certificate/
    ],
    [
      'the name',
      ({ elsewhereServer }: Certificates) => elsewhereServer,
      '',
      '',
      'BAD_CERTIFICATE',
      /does not trust this side's certificate/
    ]
  ] as const) {
    it(`a Python client that does not trust ${what} of the server tells it by an alert, which the refusal explains`, async () => {
      const { server, port } = await startServer(pick(await certificates()))
      const refused = once(server, 'refused')
      const program = python(`host, port = 'localhost', ${port}\n${connecting.replace(from, to)}`)
      const [{ code, error }] = (await refused) as [Refusal]
      expect(code).to.equal('ERR_HANDSHAKE')
      expect(error.message).to.match(words).and.to.contain(`_ALERT_${alert}: `)
      const cause = error.cause as Error
      expect(cause.message).to.match(/alert number \d+$/)
      expect(cause.stack).to.contain(`${cause.message}`)
      expect((await program.ended).stderr).to.contain('CERTIFICATE_VERIFY_FAILED')
    })
  }

  it('TokenClient and a Python server exchange tokens of each length, and part in order', async () => {
    const program = server(`${PYTHON_DIGEST}
tokens = []
while (token := receive()) is not None: tokens.append(token); send(token)
print(digest(tokens))
file.close(); secure.close()
`)
    const client = await makeClient(await portOf(program))
    await once(client, 'connect')
    expect(client.connection?.protocol).to.equal('token/1')
    const received: Buffer[] = []
    const all = new Promise<void>(resolve => {
      client.on('token', token => {
        if (received.push(token) === TOKENS.length) resolve()
      })
    })
    for (const token of TOKENS) expect(client.send(token)).to.equal(true)
    await all
    client.close()
    expect((await client.closed).hadError).to.equal(false)
    expect(digest(received)).to.equal(digest(TOKENS))
    const lines = (await succeeded(program)).trim().split('\n')
    expect(lines.slice(1)).to.deep.equal(['token/1 ann', digest(TOKENS)])
  })

  it('TokenClient that demands token/2 does not fall back to a Python server of token/1', async () => {
    const program = server('')
    const client = await makeClient(await portOf(program), { protocol: 'token/2' })
    const info = await client.closed
    expect(info.hadError).to.equal(true)
    await program.ended
    expect(program.stdout).not.to.include('token/1')
  })
})
