#!/usr/bin/env node
import { run } from '../lib/run'

const script = process.env.npm_lifecycle_event

void run(process.argv.slice(2), {
  self: script === 'certs' ? 'npm run certs --' : script === 'npx' ? 'npx token-certs' : 'token-certs',
  print: text => process.stdout.write(text),
  printError: text => process.stderr.write(text)
}).then(code => {
  process.exitCode = code
})
