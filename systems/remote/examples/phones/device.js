const Server = require('@token-server/remote')

const device = new Server({
  name: 'Lamp',
  // The device's own keys, and those of its phones, outlive it: in keys.json of this folder.
  keys: { folder: 'remote-keys' },
  // Where phones reach it: what an invitation says.
  address: 'ws://localhost:8080'
})

device.host(({ event }, { client }) => `${event} is done for ${client.name ?? 'whoever has the shared key'}`)
