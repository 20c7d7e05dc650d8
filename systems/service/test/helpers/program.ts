import { createService } from '../../lib'

const [how, certificates = ''] = process.argv.slice(2)

const timeouts: Record<string, number> = { quick: 5_000, stuck: 300, patient: 60_000 }

async function main(): Promise<void> {
  const SHUTDOWN_TIMEOUT = timeouts[how ?? ''] ?? 0
  const config = { HOST: '127.0.0.1', PORT: 0, CERTS_DIR: certificates, SHUTDOWN_TIMEOUT }
  const service = await createService({ name: 'program', config })
  service.shutdown.add('the work', async () => {
    if (how !== 'quick') await new Promise(() => {})
    service.log.info('the work has ended')
  })
}

void main()
