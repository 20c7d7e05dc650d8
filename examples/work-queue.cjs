const { loadCertificates } = require('@token-server/certs')
const { TokenClient, TokenServer } = require('token-server')

/* ### Server: hands out the jobs ### */

const concurrency = 4 // jobs of one worker
const jobs = Array.from({ length: 40 }, (_, index) => `job ${index + 1}`)
let left = jobs.length
const server = new TokenServer({ port: 8090, ...loadCertificates('certs', 'server') })

async function feed(worker) {
  while (jobs.length > 0 && !worker.isDead) {
    const job = jobs.shift()
    try {
      await worker.deliver(Buffer.from(job), { timeout: 10_000 }) // resolves when the work is done
      if (--left === 0) for (const each of [...workers, server]) each.close()
    } catch (error) {
      console.log(job, 'comes again:', error.code) // after ERR_FATE_UNKNOWN it is perhaps done twice
      jobs.unshift(job)
    }
  }
}
server.on('connection', worker => Array.from({ length: concurrency }, () => feed(worker)))
server.on('close', () => console.log(left, 'jobs are left'))

/* ### Workers ### */

const troubles = new Set(['job 7', 'job 20']) // each of them once
async function work(job, { socket }) {
  await new Promise(resolve => setTimeout(resolve, 20))
  if (!troubles.delete(`${job}`)) return
  if (`${job}` === 'job 7') throw new Error('the disk is full')
  socket.destroy() // as if the network failed
}
const options = { host: 'localhost', port: 8090, ...loadCertificates('certs', 'client'), reconnect: true }
const workers = [new TokenClient(options), new TokenClient(options)]
for (const worker of workers) worker.handle(work, { concurrency })
