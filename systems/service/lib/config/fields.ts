import { z } from 'zod'

/** A whole number, which the environment has as digits. */
export function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`
  return z
    .string(message)
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine(value => value >= least && value <= most, message)
}

/** A switch: `true`, `1`, `yes` and `on`, or `false`, `0`, `no` and `off`. */
export function onOrOff() {
  return z.stringbool({
    truthy: ['true', '1', 'yes', 'on'],
    falsy: ['false', '0', 'no', 'off'],
    error: 'must be true or false'
  })
}

/** A text whose value no message shows. @param least characters that it must have */
export function secret(least = 1) {
  return z.string().min(least, `must have at least ${least} characters`).meta({ secret: true })
}

/** A URL with one of these schemes. @param schemes such as `https` */
export function url(...schemes: readonly string[]) {
  const wanted = schemes.map(scheme => `${scheme}://`).join(' or ')
  return z.string().refine(value => {
    const scheme = URL.canParse(value) ? new URL(value).protocol.slice(0, -1) : ''
    return schemes.includes(scheme)
  }, `must be a URL that begins with ${wanted}`)
}
