import { CertsError, quoted } from './errors'

// RFC 5280, appendix A.1: ub-common-name.
const maxCommonNameLength = 64

/** Refuses a text that can't be a CN, with ERR_CERTS_NAME. */
export function checkCommonName(name: string): void {
  if (name.trim() === '') throw refuse(name, 'it is empty')
  if ([...name].length > maxCommonNameLength) {
    throw refuse(name, `it has more than ${maxCommonNameLength} characters`)
  }
  // Cs: half a surrogate pair has no UTF-8 form. Zl and Zp would break a line of the list.
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) throw refuse(name, 'it holds a control character')
}

function refuse(name: string, reason: string): CertsError {
  return new CertsError('ERR_CERTS_NAME', `Cannot use a name: ${reason} (${quoted(name)})`)
}
