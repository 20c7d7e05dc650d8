#!/usr/bin/env node
// Plain JavaScript, so that npm can link the command before anything is built.
const { runOwnerCommand } = require('../dist/lib/server/owner-command')

const { env, stdin: input, stdout: output, stderr: errors } = process
runOwnerCommand(process.argv.slice(2), { env, input, output, errors }).then(
  code => {
    process.exitCode = code
  },
  error => {
    errors.write(`token-remote: ${error.message}\n`)
    process.exitCode = 1
  }
)
