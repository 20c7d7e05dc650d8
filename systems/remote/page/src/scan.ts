/** What a browser has that reads QR codes itself. TypeScript does not know it yet. */
interface NativeDetector {
  detect(source: CanvasImageSource): Promise<readonly { readonly rawValue: string }[]>
}
interface NativeDetectorClass {
  new (options: { formats: string[] }): NativeDetector
  getSupportedFormats(): Promise<readonly string[]>
}

/** @returns the text of the code in the picture, or undefined */
export type Reader = (source: CanvasImageSource, width: number, height: number) => Promise<string | undefined>

/** Pixels of the longer side of what is read: enough for a code that fills a third of it, and quick. */
const MOST_PIXELS = 1024

/**
 * The browser's own reader where there is one, else ours, which is loaded now.
 *
 * @throws (rejects) when it can not be loaded
 */
export async function openReader(): Promise<Reader> {
  const { BarcodeDetector } = globalThis as { BarcodeDetector?: NativeDetectorClass }
  const formats = (await BarcodeDetector?.getSupportedFormats().catch(() => [])) ?? []
  if (BarcodeDetector !== undefined && formats.includes('qr_code')) {
    const detector = new BarcodeDetector({ formats: ['qr_code'] })
    return async source => (await detector.detect(source).catch(() => []))[0]?.rawValue
  }
  const { default: decode } = await import('qr/decode.js')
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d', { willReadFrequently: true })
  return (source, width, height) => {
    const scale = Math.min(1, MOST_PIXELS / Math.max(width, height, 1))
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
    if (context === null || canvas.width === 0 || canvas.height === 0) return Promise.resolve(undefined)
    context.drawImage(source, 0, 0, canvas.width, canvas.height)
    try {
      return Promise.resolve(decode(context.getImageData(0, 0, canvas.width, canvas.height)))
    } catch {
      return Promise.resolve(undefined)
    }
  }
}

/** @returns the text of the code in a file, or undefined when it is no picture or has none */
export async function readPicture(file: Blob): Promise<string | undefined> {
  const reader = await openReader()
  let picture: ImageBitmap
  try {
    picture = await createImageBitmap(file)
  } catch {
    return undefined
  }
  const found = await reader(picture, picture.width, picture.height)
  picture.close()
  return found
}

/** Milliseconds between two looks at what the camera sees. */
const INTERVAL = 150

/**
 * Shows the camera in `video` and looks for a code until there is one.
 *
 * @throws (rejects) what getUserMedia throws, or an AbortError
 */
export async function scan(video: HTMLVideoElement, signal: AbortSignal): Promise<string> {
  const [reader, stream] = await Promise.all([
    openReader(),
    navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false })
  ])
  try {
    signal.throwIfAborted()
    video.srcObject = stream
    await video.play()
    for (;;) {
      const found = await reader(video, video.videoWidth, video.videoHeight)
      signal.throwIfAborted()
      if (found !== undefined && found !== '') return found
      await new Promise(resolve => setTimeout(resolve, INTERVAL))
      signal.throwIfAborted()
    }
  } finally {
    for (const track of stream.getTracks()) track.stop()
    video.srcObject = null
  }
}
