const { Client } = require('@token-server/remote')

const client = new Client()

async function main() {
  await client.connect('ws://localhost:8080', 'debug_encryption_key')
  console.log(await client.send('brightness', { percent: 70 }))
  await client.send('dance').catch(({ code, ran, message }) => console.log(code, ran, message))
}

main().finally(() => client.close())
