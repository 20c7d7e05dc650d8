/** What it means that the other side has sent this alert, by the end of its code: OpenSSL names the version before it. */
const ALERTS: Readonly<Record<string, string>> = {
  ACCESS_DENIED: "the other side does not trust this side's certificate, and its own log says why",
  BAD_CERTIFICATE: "the other side does not trust this side's certificate, and its own log says why",
  CERTIFICATE_EXPIRED:
    "by the clock of the other side this side's certificate has ended or does not hold yet: renew it, or set that clock",
  CERTIFICATE_REQUIRED: 'the other side demands a certificate: set key and cert',
  CERTIFICATE_REVOKED: "the other side has this side's certificate in its list of revoked ones",
  CERTIFICATE_UNKNOWN: "the other side does not trust this side's certificate, and its own log says why",
  HANDSHAKE_FAILURE:
    'the two sides have no cipher or kind of certificate in common, or the other side has no certificate',
  INSUFFICIENT_SECURITY: 'the two sides have no cipher in common that is strong enough',
  NO_APPLICATION_PROTOCOL:
    'the two sides have no protocol in common: option protocol of one excludes the other, or it is no token-server',
  PROTOCOL_VERSION: 'the two sides have no version of TLS in common: compare minVersion and maxVersion',
  UNKNOWN_CA:
    "the other side does not know the authority that has signed this side's certificate, and needs it in its option ca",
  UNSUPPORTED_CERTIFICATE:
    "this side's certificate is of a kind, or made for a purpose, that the other side does not take"
}

/** What else OpenSSL finds wrong in a handshake. */
const FAILURES: Readonly<Record<string, string>> = {
  ERR_SSL_HTTPS_PROXY_REQUEST: 'the bytes look like an HTTP CONNECT without TLS',
  ERR_SSL_HTTP_REQUEST: 'the bytes look like an HTTP request without TLS',
  ERR_SSL_NO_APPLICATION_PROTOCOL:
    'the client asked for other protocols (ALPN) than this server speaks: option protocol of one excludes the other, or it is no token-server',
  ERR_SSL_NO_SHARED_CIPHER: 'the two sides have no cipher in common: compare ciphers',
  ERR_SSL_UNSUPPORTED_PROTOCOL:
    'the other side speaks no version of TLS that is allowed here: compare minVersion (TLSv1.3 by default)',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the bytes look like no TLS: is it the right port?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the bytes look like no TLS: is it the right port?'
}

/** Explains a code of OpenSSL to people who know no TLS, to follow a colon; null for one that has no words here. */
export function tlsWords(code: string): string | null {
  const [, alert = ''] = /_ALERT_([A-Z_]+)$/.exec(code) ?? []
  if (Object.hasOwn(ALERTS, alert)) return ALERTS[alert] as string
  return Object.hasOwn(FAILURES, code) ? (FAILURES[code] as string) : null
}

/** Takes the newline away with which OpenSSL ends its texts. */
export function tidied<T>(cause: T): T {
  const { message, stack } = (cause ?? {}) as { message?: unknown; stack?: unknown }
  if (typeof message !== 'string' || !message.endsWith('\n')) return cause
  const tidy = message.trimEnd()
  return Object.assign(cause as object, {
    message: tidy,
    ...(typeof stack === 'string' && { stack: stack.replace(message, tidy) })
  }) as T
}
