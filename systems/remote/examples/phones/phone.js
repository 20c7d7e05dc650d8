const { readFileSync, writeFileSync } = require('node:fs')
const { Client, readPhoneKey } = require('@token-server/remote')

const FILE = 'phone-key.json'
const client = new Client()

async function main(invitation) {
  if (invitation !== undefined)
    await client.pair(invitation, 'a phone', {
      onWords: words => console.log(`The owner compares these words: ${words}`),
      onKey: key => writeFileSync(FILE, JSON.stringify(key), { mode: 0o600 })
    })
  else {
    const { url, key } = readPhoneKey(JSON.parse(readFileSync(FILE, 'utf8')))
    await client.connect(url, key)
  }
  console.log(await client.send('lamp.on'))
}

main(process.argv[2]).finally(() => client.close())
