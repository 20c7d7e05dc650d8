import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import { pageApp } from '../../lib/server/page-app'

const SCRIPT = 'console.log("hello")\n'.repeat(100)

describe('pageApp', () => {
  let folder: string
  let app: ReturnType<typeof pageApp>

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'remote-page-'))
    mkdirSync(join(folder, 'assets'))
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Remote</title>')
    writeFileSync(join(folder, 'assets/index-abc.js'), SCRIPT)
    writeFileSync(join(folder, 'assets/notes.txt'), 'of no kind that a page has')
    app = pageApp({ folder })
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  async function get(path: string, init?: RequestInit): Promise<Response> {
    const response = await app(new Request(`https://relay.example${path}`, init))
    expect(response, `answer to ${path}`).to.be.instanceOf(Response)
    return response as Response
  }

  it('serves the page, which is asked for anew each time', async () => {
    const response = await get('/r?anything')
    expect(response.status).to.equal(200)
    expect(await response.text()).to.include('<title>Remote</title>')
    expect(response.headers.get('content-type')).to.equal('text/html; charset=utf-8')
    expect(response.headers.get('cache-control')).to.equal('no-cache')
    const again = await get('/r', { headers: { 'if-none-match': response.headers.get('etag') as string } })
    expect(again.status).to.equal(304)
    expect(await again.text()).to.equal('')
  })

  it('lets what has a hash in its name be kept for a year', async () => {
    const response = await get('/r/assets/index-abc.js')
    expect(response.headers.get('cache-control')).to.equal('public, max-age=31536000, immutable')
    expect(response.headers.get('content-type')).to.equal('text/javascript; charset=utf-8')
  })

  it('compresses as the browser asks, and not otherwise', async () => {
    const as = (encoding: string) =>
      get('/r/assets/index-abc.js', { headers: { 'accept-encoding': encoding } })
    const brotli = await as('gzip, deflate, br')
    expect(brotli.headers.get('content-encoding')).to.equal('br')
    expect(brotli.headers.get('vary')).to.equal('accept-encoding')
    const bytes = Buffer.from(await brotli.arrayBuffer())
    expect(brotli.headers.get('content-length')).to.equal(String(bytes.length))
    expect(brotliDecompressSync(bytes).toString()).to.equal(SCRIPT)
    const zipped = await as('gzip')
    expect(gunzipSync(Buffer.from(await zipped.arrayBuffer())).toString()).to.equal(SCRIPT)
    const plain = await as('identity')
    expect(plain.headers.has('content-encoding')).to.equal(false)
    expect(await plain.text()).to.equal(SCRIPT)
  })

  it('says by its policy that nothing comes from elsewhere, and nothing stands in the page itself', async () => {
    for (const path of ['/r', '/r/assets/index-abc.js', '/r/nothing', '/r/']) {
      const policy = (await get(path)).headers.get('content-security-policy') ?? ''
      expect(policy, path).to.include("default-src 'none'")
      expect(policy, path).to.include("connect-src 'self'")
      expect(policy, path).not.to.match(/unsafe|https?:|\*|data:/)
    }
  })

  it('answers HEAD without a body, and nothing but GET beside it', async () => {
    const head = await get('/r', { method: 'HEAD' })
    expect(head.status).to.equal(200)
    expect(await head.text()).to.equal('')
    const post = await get('/r', { method: 'POST', body: 'x' })
    expect(post.status).to.equal(405)
    expect(post.headers.get('allow')).to.equal('GET, HEAD')
  })

  it('has no file but those of the page', async () => {
    for (const path of ['/r/index.html', '/r/assets/notes.txt', '/r/..%2f..%2fpackage.json', '/r/assets/'])
      expect((await get(path)).status, path).to.equal(404)
    expect((await get('/r/')).headers.get('location')).to.equal('/r')
  })

  it('leaves other paths to others', async () => {
    for (const path of ['/', '/remote', '/rest', '/R', '/r/../remote'])
      expect(await app(new Request(`https://relay.example${path}`)), path).to.equal(undefined)
  })

  it('says so when the page was not built, and serves it once it is', async () => {
    const late = join(folder, 'late')
    const lateApp = pageApp({ folder: late })
    const before = (await lateApp(new Request('https://relay.example/r'))) as Response
    expect(before.status).to.equal(503)
    expect(await before.text()).to.include('npm run build')
    mkdirSync(late)
    writeFileSync(join(late, 'index.html'), 'there')
    const after = (await lateApp(new Request('https://relay.example/r'))) as Response
    expect(await after.text()).to.equal('there')
  })
})
