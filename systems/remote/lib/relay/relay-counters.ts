/** What a relay counts since its start, in words. */
export const COUNTER_MEANINGS = {
  framesToDevices: 'Frames of clients that went to their device',
  framesToClients: 'Frames of devices that went to their client',
  bytesRelayed: 'Bytes of these frames',
  joined: 'Clients that were let in',
  registered: 'Devices that were registered',
  takenOver: 'Registrations that ended because the device registered anew',
  onceAnswered: 'One-shot requests that were answered',
  foreignFrames: 'Frames dropped because their header does not belong to their connection',
  lateFrames: 'Frames dropped because their client or device is not there',
  malformed: 'Connections closed because of bytes that are no frame or say nothing here',
  refusedJoins: 'Clients refused: unknown device, or a proof that is not good',
  refusedDevices: 'Devices refused: a JWT or a proof that is not good',
  refusedTooManyClients: 'Clients refused at the bound of all clients',
  refusedTooManyPerDevice: 'Clients refused at the bound of one device',
  refusedTooManyPerIdentity: 'Clients refused at the bound of one subject',
  refusedTooManyDevices: 'Devices refused at the bound of all devices, or of one subject',
  refusedTooManyJoins: 'Clients refused before their time, at the bound of those that wait',
  refusedTooLarge: 'Connections closed because of a frame above the bound',
  refusedTooManyTags: 'Devices closed because they named more admission tags than the bound',
  refusedOnce: 'One-shot requests refused at a bound',
  displacedNewcomers: 'Connections closed before they joined, at the bound of those that have not joined',
  lateJoins: 'Connections closed because they did not join in time',
  slowedDown: 'Times that a sender above its rate was held back',
  heldBack: 'Times that senders were held back because their receiver reads too slowly',
  cutTooFast: 'Senders closed because they could not be held back',
  cutTooSlow: 'Receivers closed because they read too slowly',
  ended: 'Connections closed because their JWT ended or was revoked',
  kicked: 'Clients closed by a device or an administrator',
  otherRelaysLost: 'Other relays that fell silent, or whose messages were missed'
} as const

export type RelayCounters = { -readonly [name in keyof typeof COUNTER_MEANINGS]: number }

export function newCounters(): RelayCounters {
  return Object.fromEntries(Object.keys(COUNTER_MEANINGS).map(name => [name, 0])) as RelayCounters
}
