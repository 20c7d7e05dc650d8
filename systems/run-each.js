// node systems/run-each.js SCRIPT: runs that script of npm in each package of systems/ that has it, after the root was
// built. A line for each package that passes, all that it printed for one that fails.
const { spawn } = require('node:child_process')
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { join } = require('node:path')

const [script] = process.argv.slice(2)

async function main() {
  const failed = []
  for (const { name, scripts } of packages()) {
    if (scripts?.[script] === undefined) continue
    const begun = performance.now()
    const { code, output } = await run(name)
    const seconds = Math.round((performance.now() - begun) / 1000)
    const count = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1)
    if (code !== 0 || count === undefined) {
      failed.push(name)
      process.stdout.write(output)
    }
    // As the root's line, for .ci/run adds them up.
    const [, passes = 0, failures = 0, skips = 0] = count ?? []
    console.log(`${passes} passed, ${failures} failed, ${skips} skipped in ${name}, ${seconds} s`)
  }
  if (failed.length === 0) return
  console.error(`Failed: ${failed.map(name => `npm run ${script} -w ${name}`).join(', ')}`)
  process.exitCode = 1
}

function packages() {
  return readdirSync(__dirname)
    .map(folder => join(__dirname, folder, 'package.json'))
    .filter(file => existsSync(file))
    .map(file => JSON.parse(readFileSync(file, 'utf8')))
}

/** Without its `pre` and `post` scripts: what they build is built. */
function run(name) {
  return new Promise((resolve, reject) => {
    const args = ['run', '--silent', '--ignore-scripts', script, '--workspace', name]
    const program = spawn('npm', args, {
      cwd: join(__dirname, '..'),
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32'
    })
    let output = ''
    for (const stream of [program.stdout, program.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        output += text
      })
    }
    program.once('error', reject)
    program.once('close', code => resolve({ code, output }))
  })
}

void main()
