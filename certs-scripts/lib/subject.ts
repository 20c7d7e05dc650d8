import { checkCommonName } from './common-name'
import { Name } from './x509'

/**
 * The distinguished name with one CN that is exactly this text: 1 to 64 characters, none a control character.
 * @throws {CertsError} ERR_CERTS_NAME
 */
export function subjectOf(commonName: string): Name {
  checkCommonName(commonName)
  // The string form ("CN=…") would be parsed, and a comma in it would start another field.
  return new Name([{ CN: [{ utf8String: commonName }] }])
}
