#!/usr/bin/env node
// Plain JavaScript, so that npm can link the command before anything is built.
const { runTokenJwt } = require('../dist/lib/command-line')

runTokenJwt(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  print: text => process.stdout.write(text),
  printError: text => process.stderr.write(text)
}).then(code => {
  process.exitCode = code
})
