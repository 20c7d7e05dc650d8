/** A message inside of aedes. */
export interface AedesPacket {
  readonly cmd: string
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  dup?: boolean
  readonly brokerId?: string
  readonly brokerCounter?: number
  /** null when it was read from the store without one. */
  messageId?: number | null | undefined
  /** Of MQTT 5, and never written to a client of 3.1.1: it carries the verified sender through aedes. */
  properties?: MessageProperties
}

export interface MessageProperties {
  readonly userProperties: { readonly sub: string; readonly kind: string }
}

/** The verified sender. undefined: this process published it. */
export function senderOf(
  properties: MessageProperties | undefined
): { readonly id: string; readonly kind: string } | undefined {
  const user = properties?.userProperties
  return user === undefined ? undefined : { id: user.sub, kind: user.kind }
}
