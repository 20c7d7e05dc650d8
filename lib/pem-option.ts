import { TokenError } from './errors'

/** The texts of an option that is one PEM or a list of them. @throws TokenError `ERR_OPTION` */
export function pemTexts(name: string, option: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(option) ? option : [option]
  return values.map(value => {
    if (typeof value === 'string') return value
    if (ArrayBuffer.isView(value)) {
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    }
    throw cannotUse(name, 'it is neither a string nor a Buffer')
  })
}

export function cannotUse(name: string, why: string): TokenError {
  return new TokenError('ERR_OPTION', `Cannot use option ${name}: ${why}`)
}
