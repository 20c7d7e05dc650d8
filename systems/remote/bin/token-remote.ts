#!/usr/bin/env node
import { runOwnerCommand } from '../lib/server/owner-command'

const { env, stdin: input, stdout: output, stderr: errors } = process
runOwnerCommand(process.argv.slice(2), { env, input, output, errors }).then(
  code => {
    process.exitCode = code
  },
  (error: Error) => {
    errors.write(`token-remote: ${error.message}\n`)
    process.exitCode = 1
  }
)
