import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificates, freePort, needProgram, TcpProxy } from '@token-server/test-helpers'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import encodeQR from 'qr'
import { LAMP_EVENTS, Lamp } from '../../examples/lamp/lamp'
import type { Handler } from '../../lib/device/handler'
import { KeyRing } from '../../lib/keys/key-ring'
import type { Phone } from '../../lib/keys/phone'
import { nodeSuite } from '../../lib/sealing/node-suite'
import { faultsIn, isTooWide, LOOKS, type OpenPage, PageBrowser, picture } from '../helpers/page-browser'
import { deviceClient, hostDevice, type PageDevice, relayedDevice } from '../helpers/page-world'
import { RelayServer } from '../helpers/running-relay'

/** What the camera of the browser sees: a JPEG, again and again. */
const CAMERA = join(tmpdir(), `remote-camera-${process.pid}.mjpeg`)

const unheard = { progress: () => {}, signal: new AbortController().signal }

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const banner = (page: Page, text: string | RegExp) => page.locator('.banner', { hasText: text }).waitFor()
const result = (page: Page, text: string | RegExp) => page.locator('.result', { hasText: text }).waitFor()

/** Bytes that a browser gets. */
async function sizeOf(url: string): Promise<number> {
  const { ca } = await certificates()
  const request = get(url, { ca, headers: { 'accept-encoding': 'br' } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.headers['content-encoding']).to.equal('br')
  let size = 0
  for await (const chunk of response) size += (chunk as Buffer).length
  return size
}

describe('The phone page', function () {
  this.timeout(60_000)

  let browser: PageBrowser
  let lamp: Lamp
  let device: PageDevice

  before(async function () {
    needProgram(this, 'chromium')
    browser = await PageBrowser.launch([
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-video-capture=${CAMERA}`
    ])
  })
  beforeEach(async () => {
    lamp = new Lamp(state => device.server.state.set(state))
    device = await hostDevice(lamp.handle, {
      name: 'Lamp',
      events: LAMP_EVENTS,
      state: { value: lamp.state }
    })
  })
  afterEach(async () => {
    await browser.closePages()
    await device.server.close()
  })
  after(() => browser?.close())

  const shared = () => device.server.keys.sharedInvitation(device.address)

  async function openLamp(
    look: keyof typeof LOOKS = 'light',
    locale = 'en-GB',
    name?: string
  ): Promise<OpenPage> {
    const opened = await browser.open(shared(), { ...LOOKS[look], locale }, name)
    await button(opened.page, locale.startsWith('es') ? 'Encender' : 'On').waitFor()
    return opened
  }

  it('reads the code of a device by the camera, and its button switches the lamp on', async () => {
    const { page: screen } = await browser.open('about:blank', { viewport: { width: 640, height: 480 } })
    await screen.setContent(
      `<body style="background:#fff"><div style="width:380px;margin:30px auto">${encodeQR(shared(), 'svg')}</div>`
    )
    writeFileSync(CAMERA, await screen.screenshot({ type: 'jpeg', quality: 90 }))
    const { page, complaints } = await browser.open(`${device.address}/r`, { permissions: ['camera'] })
    await button(page, 'Scan the QR code').click()
    await button(page, 'On').click()
    await result(page, 'On: Done')
    expect(lamp.state.on).to.equal(true)
    expect(complaints).to.deep.equal([])
  })

  it('reads the code of a device out of a picture, and says when there is none in it', async () => {
    const { page } = await browser.open(`${device.address}/r`)
    const choose = (buffer: Buffer) =>
      page.locator('input[type=file]').setInputFiles({ name: 'code.png', mimeType: 'image/png', buffer })
    await choose(await page.screenshot())
    await result(page, 'There is no QR code to be read in this picture.')
    const { page: screen } = await browser.open('about:blank')
    await screen.setContent(`<body style="background:#fff"><p>Lamp</p>${encodeQR(shared(), 'svg')}`)
    await choose(await screen.screenshot())
    await button(page, 'On').waitFor()
  })

  it('takes the secret out of the address bar, and the link when it is pasted', async () => {
    const { page, requests } = await openLamp()
    expect(page.url()).to.equal(`${device.address}/r#device=${device.server.keys.deviceId}`)
    expect(requests.join()).not.to.include(new URL(shared()).hash.slice(1))
    const { page: other } = await browser.open(`${device.address}/r`)
    await other.getByLabel('Link of the device').fill(shared())
    await button(other, 'Open').click()
    await button(other, 'On').waitFor()
  })

  it('does not follow a link to another address, nor one that is no invitation', async () => {
    const { page } = await browser.open(shared().replace('127.0.0.1', 'localhost'))
    await button(page, 'On').waitFor()
    await page.goto('about:blank')
    const elsewhere = shared().replace(device.address, 'https://relay.example')
    await page.goto(`${device.address}/r`)
    await page.getByLabel('Link of the device').fill(elsewhere)
    await button(page, 'Open').click()
    const link = page.getByRole('link', { name: 'Go to relay.example' })
    expect(await link.getAttribute('href')).to.equal(elsewhere)
    await page.goto(`${device.address}/r#v=2&d=nothing`)
    await page.getByText('This is no link of a device.').waitFor()
  })

  it('fills a form with the state of the device, and shows what a command answered', async () => {
    await lamp.handle({ requestId: '', event: 'brightness', payload: { brightness: 30 } }, unheard)
    const { page } = await openLamp()
    const slider = page.getByLabel('Brightness')
    expect(await slider.inputValue()).to.equal('30')
    await slider.fill('70')
    await button(page, 'Dim').click()
    await result(page, 'Done')
    expect(lamp.state).to.deep.include({ on: true, brightness: 70 })
    await page.locator('dd', { hasText: '70 %' }).waitFor()
  })

  it('shows how far a slow command is, and cancels it', async () => {
    const { page } = await openLamp()
    await page.getByLabel('Duration (s)').fill('100')
    await button(page, 'Sunrise').click()
    await result(page, 'Waiting for the device')
    await page.locator('progress').waitFor()
    await button(page, 'Cancel').click()
    await result(page, 'You cancelled it. It had begun.')
  })

  it('asks before what is of danger', async () => {
    const { page } = await openLamp()
    await button(page, 'On').click()
    await result(page, 'On: Done')
    await button(page, 'Factory reset').click()
    await button(page, 'Yes, do it').waitFor()
    await page.keyboard.press('Escape')
    await button(page, 'Yes, do it').waitFor({ state: 'hidden' })
    expect(lamp.state.on).to.equal(true)
    await button(page, 'Factory reset').click()
    await button(page, 'Yes, do it').click()
    await result(page, /^Done$/)
    expect(lamp.state.on).to.equal(false)
  })

  it('says in words what a device refuses, and what its handler says', async () => {
    const { page } = await openLamp()
    const other = await deviceClient(device)
    const lease = await other.lease(60_000)
    await button(page, 'On').click()
    await result(page, 'The device refused. Somebody else has the control right now. It did not run.')
    await lease.release()
    other.close()
    await page.evaluate("document.querySelector('input[type=number]').max = ''")
    await page.getByLabel('Duration (s)').fill('101')
    await button(page, 'Sunrise').click()
    await result(page, 'The device could not do it. seconds is no number from 1 to 100. It had begun.')
  })

  /** A device whose link to its relay goes through a proxy. */
  async function behindProxy(handler: Handler) {
    const relay = await RelayServer.start({ config: { OPEN_DEVICES: true } })
    const proxy = await TcpProxy.open(relay.port)
    const behind = await relayedDevice(
      relay,
      handler,
      { name: 'Lamp', events: { on: { title: 'On' } } },
      proxy.port
    )
    const { page } = await browser.open(behind.keys.sharedInvitation(relay.url('https')))
    await banner(page, 'Connected')
    const close = async () => {
      await page.close()
      await behind.close()
      await proxy.close()
      await relay.stop()
    }
    return { relay, proxy, page, close }
  }

  it('says that it is sending as long as the device does not answer; that can be cancelled, or it is done in the end', async () => {
    let ran = 0
    const { proxy, page, close } = await behindProxy(() => ++ran)
    for (const passage of proxy.passages) passage.freeze()
    await page.reload()
    await button(page, 'On').click()
    await result(page, 'Sending: the secure connection is being made…')
    await picture(page, 'sending')
    expect(await faultsIn(page)).to.deep.equal([])
    await button(page, 'Cancel').click()
    await result(page, /^You cancelled it. It did not run.$/)
    await button(page, 'On').click()
    await result(page, 'Sending: the secure connection is being made…')
    for (const passage of proxy.passages) passage.thaw()
    await result(page, 'Done: 1')
    expect(ran).to.equal(1)
    await close()
  })

  it('says of a command whose connection broke that it has left, and shows its answer when the connection is back', async () => {
    let ran = 0
    let finish = (_: unknown) => {}
    const { relay, proxy, page, close } = await behindProxy(() => {
      ran++
      return new Promise(resolve => {
        finish = resolve
      })
    })
    await button(page, 'On').click()
    await result(page, 'Waiting for the device…')
    proxy.target = await freePort()
    proxy.cutAll()
    await banner(page, 'The device is offline.')
    await result(page, 'It was sent. Waiting for the connection to come back…')
    await picture(page, 'sent')
    finish('it is on')
    proxy.target = relay.port
    await result(page, 'Done: it is on')
    expect(ran).to.equal(1)
    await close()
  })

  it('waits for an answer as long as the device declares, and says how long it has waited', async () => {
    await device.server.close()
    device = await hostDevice(() => new Promise(() => {}), {
      events: { slow: { title: 'On', timeout: 30_000 } }
    })
    const { page } = await openLamp('light', 'en-GB', 'slow')
    await page.clock.install()
    await page.reload()
    await banner(page, 'Connected')
    await button(page, 'On').click()
    await result(page, /^Waiting for the device…\s*Cancel$/)
    await page.clock.fastForward(20_000)
    // The seconds before it go on by themselves.
    await result(page, /0:2\d \/ 0:30/)
    await picture(page, 'waiting')
    await page.clock.fastForward(11_000)
    await result(page, /^No answer in time. It may have run/)
  })

  it('says that a command may have run when no answer comes in time', async () => {
    const { page } = await openLamp('light', 'en-GB', 'late')
    await page.clock.install()
    await page.reload()
    await page.getByLabel('Duration (s)').fill('100')
    await button(page, 'Sunrise').click()
    await page.locator('progress').waitFor()
    await page.clock.fastForward(121_000)
    await result(page, 'No answer in time. It had begun.')
  })

  it('goes on showing the state of a device that is gone, with its age', async () => {
    const { page } = await openLamp('light', 'en-GB', 'gone')
    await page.clock.install()
    await device.server.close()
    await page.clock.fastForward('00:10')
    await banner(page, 'No connection. Trying again…')
    await page.clock.fastForward('03:00')
    await page.getByText('as of 3 minutes ago').waitFor()
    await page.locator('dd', { hasText: '60 %' }).waitFor()
    await button(page, 'On').click()
    await result(page, /^On: There is no connection. It did not run.$/)
    await picture(page, 'gone')
    expect(await faultsIn(page)).to.deep.equal([])
    await page.goto('about:blank')
  })

  it('says through a relay that the device is offline, and that it is back', async () => {
    const relay = await RelayServer.start({ config: { OPEN_DEVICES: true } })
    const keys = await KeyRing.open({ suite: nodeSuite() })
    const options = { name: 'Lamp', events: LAMP_EVENTS, state: { value: lamp.state }, keys }
    const first = await relayedDevice(relay, lamp.handle, options)
    const { page, complaints } = await browser.open(keys.sharedInvitation(relay.url('https')))
    await button(page, 'On').waitFor()
    await first.close()
    await banner(page, 'The device is offline.')
    await page.locator('dd', { hasText: '60 %' }).waitFor()
    await button(page, 'Off').click()
    await result(page, /^Off: The device is offline. It did not run.$/)
    await picture(page, 'offline')
    const second = await relayedDevice(relay, () => 'again', options)
    await banner(page, 'Connected')
    await button(page, 'Off').click()
    await result(page, 'Off: Done: again')
    await keys.setShared('another one')
    await page.reload()
    await banner(
      page,
      'No connection. Trying again… The relay knows no such device, or this phone may no longer'
    )
    expect(complaints).to.deep.equal([])
    await second.close()
    await keys.close()
    await relay.stop()
  })

  it('says that the key does not fit, and leaves what it knew', async () => {
    const { page } = await openLamp()
    await device.server.keys.setShared('another one')
    await page.reload()
    await banner(page, 'The key of this phone does not fit.')
    await page.locator('dd', { hasText: '60 %' }).waitFor()
    await picture(page, 'wrong key')
    await button(page, 'On').click()
    await result(page, 'On: Not sent yet. The key of this phone does not fit.')
    await button(page, 'Cancel').click()
    await result(page, /^On: You cancelled it. It did not run.$/)
    expect(lamp.state.on).to.equal(false)
  })

  it('pairs: the same words at both ends, in when the owner says yes, and out when the phone is revoked', async () => {
    const asked = new Promise<Phone>(resolve => device.server.keys.on('asked', resolve))
    const { url } = await device.server.keys.invite({ address: device.address })
    const { page, complaints } = await browser.open(url)
    await page.getByRole('heading', { name: 'Pairing with a new device' }).waitFor()
    await page.getByLabel('Name of this phone').fill("Ann's phone")
    await picture(page, 'pairing')
    expect(await faultsIn(page)).to.deep.equal([])
    await button(page, 'Pair').click()
    const phone = await asked
    expect(phone.name).to.equal("Ann's phone")
    await page.getByText('Compare these words').waitFor()
    await page.getByRole('heading', { name: 'Lamp' }).waitFor()
    expect((await page.locator('.words li').allInnerTexts()).join(' ')).to.equal(phone.words)
    expect(await faultsIn(page)).to.deep.equal([])
    await picture(page, 'words')
    await page.reload()
    await page.locator('.words').waitFor()
    await device.server.keys.approve(phone.id)
    await button(page, 'On').click()
    await result(page, 'On: Done')
    const { page: second } = await browser.open(url, {}, 'second')
    await button(second, 'Pair').click()
    await result(
      second,
      'Pairing did not work. The device refused. This code has been used by another phone.'
    )
    await picture(second, 'used')
    await device.server.keys.revoke(phone.id)
    await banner(page, 'The access of this phone has ended, or was taken back.')
    expect(await button(page, 'On').getAttribute('aria-disabled')).to.equal('true')
    expect(await faultsIn(page)).to.deep.equal([])
    await picture(page, 'revoked')
    await page.reload()
    await banner(page, 'The device does not know the key of this phone any more.')
    expect(complaints).to.deep.equal([])
  })

  it('pairs by a code that is typed, and says when nothing lies under it', async () => {
    const asked = new Promise<Phone>(resolve => device.server.keys.on('asked', resolve))
    const { code } = await device.server.keys.invite({ address: device.address, code: true })
    const { page, complaints } = await browser.open(`${device.address}/r`)
    const type = async (typed: string) => {
      await page.getByLabel('Code to type').fill(typed)
      await button(page, 'Pair').click()
      await page.getByLabel('Name of this phone').fill("Ann's phone")
      await button(page, 'Pair').click()
    }
    await type('XXXXX')
    await result(page, 'Pairing did not work. Nothing lies under this code, or no longer.')
    await button(page, 'Cancel').click()
    await type(code as string)
    await device.server.keys.approve((await asked).id)
    await button(page, 'On').waitFor()
    expect(complaints).to.deep.equal([])
  })

  it('remembers several devices, and forgets one', async () => {
    const { page } = await openLamp()
    await page.evaluate(
      "localStorage.setItem('remote.devices', JSON.stringify([...JSON.parse(localStorage.getItem('remote.devices')),\
        { id: 'B', name: 'Heater', url: 'wss://127.0.0.1:1/', mode: 'shared', key: 'A'.repeat(43), addedAt: 0 }, { id: 5 }]))"
    )
    await page.goto(`${device.address}/r`)
    await page.reload()
    await page.getByText('2 devices in this browser').waitFor()
    await picture(page, 'devices')
    await page.getByRole('link', { name: 'Heater' }).click()
    await button(page, 'Forget this device').click()
    await button(page, 'Forget it').click()
    await page.getByText('1 device in this browser').waitFor()
    await page.reload()
    await page.getByRole('link', { name: 'Lamp' }).click()
    await button(page, 'On').waitFor()
    expect(await page.evaluate("localStorage.getItem('remote.devices')")).not.to.include('Heater')
  })

  for (const [look, locale] of [
    ['light', 'en-GB'],
    ['dark', 'es-MX'],
    ['wide', 'en-GB']
  ] as const) {
    it(`has nothing to complain of in ${look}, ${locale}`, async () => {
      const { page, complaints } = await openLamp(look, locale)
      expect(await page.locator('html').getAttribute('lang')).to.equal(locale.slice(0, 2))
      expect(await isTooWide(page)).to.equal(false)
      expect(await faultsIn(page)).to.deep.equal([])
      await picture(page, `device ${look}`)
      await page.goto(`${device.address}/r`)
      await page.getByText(locale.startsWith('es') ? '1 dispositivo' : '1 device').waitFor()
      expect(await isTooWide(page)).to.equal(false)
      expect(await faultsIn(page)).to.deep.equal([])
      await picture(page, `home ${look}`)
      expect(complaints).to.deep.equal([])
    })
  }

  it('is changed to Spanish by a button, and stays so', async () => {
    const { page } = await openLamp()
    await button(page, 'Español').click()
    await page.getByText('Conectado, cifrado de extremo a extremo.').waitFor()
    await page.reload()
    await button(page, 'Encender').waitFor()
  })

  it('shows what a device says as text, however it looks', async () => {
    const hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    await device.server.close()
    device = await hostDevice(() => hostile, {
      name: hostile,
      events: { [hostile]: { title: hostile, description: hostile } },
      state: { value: { [hostile]: hostile, list: [1, { [hostile]: hostile.repeat(20) }] } }
    })
    const { page, complaints } = await browser.open(shared())
    await button(page, hostile).click()
    await result(page, hostile)
    expect(await page.locator('img').count()).to.equal(0)
    expect(await isTooWide(page)).to.equal(false)
    expect(complaints).to.deep.equal([])
    await picture(page, 'hostile')
  })

  it('is operated by the keyboard, and says by live regions what happens', async () => {
    const { page } = await openLamp()
    expect(await page.evaluate('document.activeElement.tagName')).to.equal('H1')
    for (let presses = 0; presses < 10; presses++) {
      await page.keyboard.press('Tab')
      if ((await page.evaluate('document.activeElement.textContent')) === 'On') break
    }
    await page.keyboard.press('Enter')
    const status = page.getByRole('status').filter({ hasText: 'On: Done' })
    await status.waitFor()
    expect(lamp.state.on).to.equal(true)
  })

  it('loads less than 40 kB first, from its own address alone, and the reader of codes only when it is needed', async () => {
    const { requests } = await openLamp()
    expect(requests.filter(url => !url.startsWith(device.address))).to.deep.equal([])
    const first = requests.filter(url => /\.(js|css)$/.test(url))
    const sizes = await Promise.all(first.map(url => sizeOf(url)))
    expect(sizes.reduce((sum, size) => sum + size)).to.be.within(20_000, 40_000)
    const fresh = await browser.open(`${device.address}/r`)
    await button(fresh.page, 'Scan the QR code').waitFor()
    expect(fresh.requests.join()).not.to.include('decode')
    await button(fresh.page, 'Scan the QR code').click()
    await fresh.page.locator('video').waitFor()
    expect(fresh.requests.join()).to.include('decode')
  })
})
