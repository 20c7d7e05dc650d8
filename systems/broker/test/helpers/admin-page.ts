import { type IncomingHttpHeaders, request } from 'node:http'
import type { TestServer } from './running-broker'

export const ADMIN_TOKEN = 'a-token-for-the-admin-of-tests'

export const ADMIN = { ADMIN_PORT: 0, ADMIN_TOKEN }

export function adminUrl({ running }: TestServer, path = '/status'): string {
  return `http://127.0.0.1:${running.service.admin?.address.port}${path}`
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Asks the admin listener. */
export function ask(server: TestServer, path: string, authorization?: string): Promise<Answer> {
  const headers = authorization === undefined ? {} : { authorization }
  return new Promise((resolve, reject) => {
    const asked = request(adminUrl(server, path), { headers, agent: false }, async response => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve({ status: response.statusCode as number, headers: response.headers, body })
    })
    asked.once('error', reject).end()
  })
}

export const BEARER = `Bearer ${ADMIN_TOKEN}`
