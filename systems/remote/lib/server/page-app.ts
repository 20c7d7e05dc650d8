import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

/** Where the page is, and all that belongs to it. */
export const PAGE_PATH = '/r'

/** `dist/page`, as seen from where this file is compiled to. */
const BUILT = join(__dirname, '../../page')

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml'
}

/** Scripts, styles and connections of this address, and of no other. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join('; ')

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  vary: 'accept-encoding'
}

const compressors = { br: promisify(brotliCompress), gzip: promisify(gzip) }
type Encoding = keyof typeof compressors

interface PageFile {
  readonly body: Buffer
  readonly type: string
  readonly etag: string
  /** Its name changes with its content. */
  readonly isHashed: boolean
  readonly compressed: Map<Encoding, Promise<Uint8Array<ArrayBuffer>>>
}

export interface PageAppOptions {
  /** Of the built page. Default: the one of this package. */
  readonly folder?: string | undefined
}

/**
 * Serves the phone page at `/r`: a `fetch` as Hono and createService have it. The page itself is asked for anew each time (and is
 * mostly 304), what it loads has names that change with the content and is kept for a year.
 *
 * @returns a function that answers undefined for a path that is not the page's
 */
export function pageApp({
  folder = BUILT
}: PageAppOptions = {}): (request: Request) => Promise<Response | undefined> {
  let files: Map<string, PageFile> | undefined
  return async request => {
    const { pathname } = new URL(request.url)
    if (pathname !== PAGE_PATH && !pathname.startsWith(`${PAGE_PATH}/`)) return undefined
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(405, 'Only GET and HEAD are of use here.\n', { allow: 'GET, HEAD' })
    // The fragment, which the server never sees, is kept by the browser.
    if (pathname === `${PAGE_PATH}/`) return answer(308, '', { location: PAGE_PATH })
    files ??= readFiles(folder)
    if (files === undefined)
      return answer(503, 'The page is not built: npm run build -w @token-server/remote\n')
    const file = files.get(pathname)
    return file === undefined ? answer(404, 'There is no such file.\n') : await send(file, request)
  }
}

async function send(file: PageFile, request: Request): Promise<Response> {
  const headers: Record<string, string> = {
    ...HEADERS,
    etag: file.etag,
    'cache-control': file.isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-type': file.type
  }
  if (request.headers.get('if-none-match')?.includes(file.etag) === true)
    return new Response(null, { status: 304, headers })
  const encoding = encodingFor(request)
  const body = encoding === undefined ? new Uint8Array(file.body) : await compress(file, encoding)
  if (encoding !== undefined) headers['content-encoding'] = encoding
  headers['content-length'] = String(body.length)
  return new Response(request.method === 'HEAD' ? null : body, { headers })
}

function encodingFor(request: Request): Encoding | undefined {
  const accepted = (request.headers.get('accept-encoding') ?? '').split(',').map(part => part.trim())
  return (['br', 'gzip'] as const).find(name => accepted.includes(name))
}

function compress(file: PageFile, encoding: Encoding): Promise<Uint8Array<ArrayBuffer>> {
  const found = file.compressed.get(encoding)
  if (found !== undefined) return found
  const made = compressors[encoding](file.body).then(bytes => new Uint8Array(bytes))
  file.compressed.set(encoding, made)
  return made
}

/** @returns undefined when the page is not built */
function readFiles(folder: string): Map<string, PageFile> | undefined {
  let names: string[]
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => extname(name) in TYPES)
  } catch {
    return undefined
  }
  const files = new Map<string, PageFile>()
  for (const name of names) {
    const body = readFileSync(join(folder, name))
    const path = name.replaceAll('\\', '/')
    files.set(path === 'index.html' ? PAGE_PATH : `${PAGE_PATH}/${path}`, {
      body,
      type: TYPES[extname(name)] as string,
      etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
      isHashed: path.startsWith('assets/'),
      compressed: new Map()
    })
  }
  return files
}

function answer(status: number, words: string, headers: Record<string, string> = {}): Response {
  const type = 'text/plain; charset=utf-8'
  return new Response(words === '' ? null : words, {
    status,
    headers: { ...HEADERS, 'content-type': type, 'cache-control': 'no-store', ...headers }
  })
}
