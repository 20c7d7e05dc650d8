import { execFileSync } from 'node:child_process'
import { needProgram } from '@token-server/test-helpers'
import { expect } from 'chai'
import { chromium, type Page } from 'playwright-core'
import decodeQR from 'qr/decode.js'
import { qrAsGif, qrAsSvg, qrForTerminal } from '../../lib/keys/qr-code'
import { ADDRESS, openRing } from '../helpers/key-rings'

const SCALE = 4
const WHITE_ON_BLACK = '\u001b[97;40m'
const RESET = '\u001b[0m'

/** What a reader makes of rows of modules, light where true. */
function read(rows: readonly (readonly boolean[])[]): string {
  const [height, width] = [rows.length * SCALE, (rows[0]?.length ?? 0) * SCALE]
  const data = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const isLight = rows[Math.floor(y / SCALE)]?.[Math.floor(x / SCALE)] === true
      data.set([...Array<number>(3).fill(isLight ? 255 : 0), 255], 4 * (y * width + x))
    }
  return decodeQR({ width, height, data })
}

/** Draws what a terminal would: white on black, two rows of pixels a line, on a black screen. */
function drawTerminal(text: string): boolean[][] {
  const lines = text.split('\n').map(line => {
    if (!line.startsWith(WHITE_ON_BLACK) || !line.endsWith(RESET)) throw new Error('a line has no colours')
    const shown = line.slice(WHITE_ON_BLACK.length, -RESET.length)
    if (!/^[█▀▄ ]+$/.test(shown)) throw new Error('a line shows something else')
    return [...shown]
  })
  const upper = (character: string) => character === '█' || character === '▀'
  const lower = (character: string) => character === '█' || character === '▄'
  const rows = lines.flatMap(line => [line.map(upper), line.map(lower)])
  const [width, black] = [rows[0]?.length ?? 0, false]
  const margin = Array.from({ length: 4 }, () => Array<boolean>(width + 8).fill(black))
  const side = Array<boolean>(4).fill(black)
  return [...margin, ...rows.map(row => [...side, ...row, ...side]), ...margin]
}

describe('The QR code of an invitation', () => {
  let url: string

  before(async () => {
    const { ring } = await openRing()
    url = (await ring.invite({ address: ADDRESS })).url
  })

  it('is read from what a terminal of any colours shows, within 80 columns and 30 lines', () => {
    const text = qrForTerminal(url)
    const lines = drawTerminal(text)
    expect(read(lines)).to.equal(url)
    expect(text.split('\n').length).to.be.at.most(30)
    expect((lines[0]?.length ?? 0) - 8).to.be.at.most(80)
  })

  it('is read from the pictures that a browser makes of the SVG and of the GIF, on a dark page, too', async function () {
    this.timeout(60_000)
    needProgram(this, 'chromium')
    const executablePath = execFileSync('bash', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim()
    const browser = await chromium.launch({ executablePath })
    try {
      const page = await browser.newPage({ viewport: { width: 480, height: 480 } })
      const gif = `<img src="data:image/gif;base64,${Buffer.from(qrAsGif(url)).toString('base64')}">`
      for (const picture of [qrAsSvg(url), gif])
        for (const colour of ['white', 'black']) {
          await page.setContent(`<body style="background:${colour};margin:40px">${picture}</body>`)
          expect(decodeQR(await screen(page)), `${picture.slice(0, 4)} on ${colour}`).to.equal(url)
        }
    } finally {
      await browser.close()
    }
  })
})

/** The pixels of what the page shows. */
async function screen(page: Page) {
  const png = (await page.screenshot()).toString('base64')
  const pixels = (await page.evaluate(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png}'
    await image.decode()
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
    context.drawImage(image, 0, 0)
    const { width, height, data } = context.getImageData(0, 0, image.width, image.height)
    let text = ''
    for (const byte of data) text += String.fromCharCode(byte)
    return { width, height, data: btoa(text) }
  })()`)) as { width: number; height: number; data: string }
  return { ...pixels, data: new Uint8Array(Buffer.from(pixels.data, 'base64')) }
}
