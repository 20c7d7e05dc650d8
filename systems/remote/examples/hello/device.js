const Server = require('@token-server/remote')

const device = new Server({ name: 'Lamp', onHandlerError: console.error })

async function handle({ event, payload }) {
  if (event !== 'brightness') throw new Error(`a lamp does not know ${event}`)
  return `${payload.percent} %, as you like`
}

device.host(handle, 'debug_encryption_key').then(({ address, port }) => {
  console.log(`listens on ws://${address}:${port}`)
})
