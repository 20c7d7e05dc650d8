import { encodeQR } from 'qr'

/**
 * A QR code in a terminal, two rows of it a line: 28 lines for an invitation. Black and white are said, so that a reader finds the code
 * on any colours of the terminal.
 */
export function qrForTerminal(text: string): string {
  const lines = encodeQR(text, 'ascii', { ecc: 'low', border: 2 }).trimEnd().split('\n')
  return lines.map(line => `\u001b[97;40m${line}\u001b[0m`).join('\n')
}

/** Black on white, with the quiet zone of ISO/IEC 18004, for any size. */
export function qrAsSvg(text: string): string {
  const modules = encodeQR(text, 'raw', { ecc: 'medium', border: 4 })
  const dark = modules.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  const size = modules.length
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<rect width="${size}" height="${size}" fill="#fff"/><path d="${dark.join('')}"/></svg>`
  )
}

/** The bytes of a GIF, four pixels a module. */
export function qrAsGif(text: string): Uint8Array<ArrayBuffer> {
  return encodeQR(text, 'gif', { ecc: 'medium', border: 4, scale: 4 })
}
