import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Connection, TokenError } from '../../lib'
import { certificates } from '../helpers/certificates'
import { closesWhatItOpened, onCleanUp, startServer } from '../helpers/loopback'
import { needProgram } from '../helpers/need'
import { Program, remove, temporaryFolder } from '../helpers/program'

/** The least of token/2 that a client needs, by docs/wire-format.md alone: `features` says what it can do. */
const PEER = `import hashlib, socket, ssl, struct
tls = ssl.create_default_context(cafile='ca.crt')
tls.load_cert_chain('client.crt', 'client.key')
tls.set_alpn_protocols(['token/2'])
secure = tls.wrap_socket(socket.create_connection((host, port)), server_hostname=host)
file = secure.makefile('rwb')
fingerprint = hashlib.sha256(secure.getpeercert(True)).digest()
def control(body): file.write(struct.pack('>I', 0x80000000 | len(body)) + body)
def data(token): file.write(struct.pack('>I', len(token)) + token)
def count(type, n): control(struct.pack('>BQ', type, n))
def request(token): control(b'\\x8c'); data(token)
def answer(to, token): count(0x8d, to); data(token)
def close(handed): control(struct.pack('>BHQ', 0x89, 0, handed)); file.flush()
def frame():
    file.flush()
    n = struct.unpack('>I', file.read(4))[0]
    if n < 0x80000000: return 'data', file.read(n)
    body = file.read(n - 0x80000000)
    type = body[0]
    if type in (0x82, 0x87): return frame()              # WINDOW and ACK: no news for so few tokens
    if type == 0x83: control(b'\\x84' + body[1:]); return frame()
    if type == 0x8d: return 'answer', struct.unpack('>Q', body[1:])[0], frame()[1]
    if type == 0x8e: return ('failed', *struct.unpack('>HQ', body[1:11]), body[11:])
    if type == 0x89: return 'close', struct.unpack('>HQ', body[1:11])
    return {0x81: 'hello', 0x8c: 'request'}.get(type, hex(type)), body
control(struct.pack('>BBBIIII', 0x81, 2, 1, features, 8 << 20, 0, 1 << 20) + fingerprint)
kind, hello = frame()
assert kind == 'hello' and hello[1:3] == b'\\x02\\x02', hello
print('server has', hex(struct.unpack('>I', hello[3:7])[0]))
`

describe('token/2 peers in Python', () => {
  closesWhatItOpened()

  let folder: string

  before(async function () {
    needProgram(this, 'python3')
    const { ca, client } = await certificates()
    folder = temporaryFolder()
    const files = { 'ca.crt': ca, 'client.crt': client.cert, 'client.key': client.key }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  })
  after(() => {
    if (folder !== undefined) remove(folder)
  })

  /** Runs a peer with these features, ACK is 2 and HANDLER 32. @returns the lines that it has printed */
  async function run(port: number, features: number, source: string): Promise<string[]> {
    const text = `host, port, features = 'localhost', ${port}, ${features}\n${PEER}${source}`
    const program = new Program('python3', ['-u', '-c', text], folder)
    onCleanUp(async () => {
      program.kill('SIGKILL')
      await program.ended
    })
    const { code, stdout, stderr } = await program.ended
    expect(stderr).to.equal('')
    expect(code).to.equal(0)
    return stdout.trim().split('\n')
  }

  it('with the bit HANDLER asks a handler, is answered and told of failures, and answers what it is asked', async () => {
    const { server, port } = await startServer()
    server.handle(async (token, connection) => {
      if (String(token) === 'fail') throw Object.assign(new Error('no stock'), { expose: true })
      if (String(token) !== 'ask back') return token
      return await connection.request(Buffer.from('your name?'))
    })
    const accepted = once(server, 'connection')
    const lines = run(
      port,
      2 | 32,
      `request(b'tea?'); request(b''); request(b'fail'); data(b'fail'); request(b'ask back')
for _ in range(4): print(*frame())
print(frame()[0], *frame())
answer(1, b'python')
print(*frame())
close(1)
print(*frame())
`
    )
    const [connection] = (await accepted) as [Connection]
    expect(await lines).to.deep.equal([
      'server has 0x2e',
      "answer 1 b'tea?'",
      "answer 2 b''",
      "failed 1 3 b'no stock'",
      "failed 1 4 b'no stock'",
      "request data b'your name?'",
      "answer 5 b'python'",
      'close (0, 5)'
    ])
    // The program ends when it has read CLOSE, which resets the socket.
    expect(await connection.closed).to.include({ code: 'normal', error: null })
  })

  it('without the bit has its tokens handled and acknowledged, and is asked nothing', async () => {
    const { server, port } = await startServer()
    const handled: string[] = []
    server.handle(async token => {
      await new Promise(setImmediate)
      handled.push(String(token))
      if (String(token) === 'b') throw new Error('no')
    })
    const errors: string[] = []
    server.on('handlerError', error => errors.push((error as Error).message))
    const refused = once(server, 'connection').then(([connection]) =>
      (connection as Connection).request(Buffer.from('ask')).catch((error: TokenError) => error.code)
    )
    const lines = await run(port, 2, "data(b'a'); data(b'b'); data(b'c')\nclose(0)\nprint(*frame())\n")
    expect(lines).to.deep.equal(['server has 0x2e', 'close (0, 3)'])
    expect([handled, errors, await refused]).to.deep.equal([['a', 'b', 'c'], ['no'], 'ERR_PROTOCOL_REQUIRED'])
  })

  it('without the bit that asks nevertheless is told protocol-error', async () => {
    const { port } = await startServer()
    const lines = await run(port, 2, "request(b'tea?')\nprint(*frame())\n")
    expect(lines[1]).to.equal('close (1025, 0)')
  })
})
