import type { Fetch } from '@token-server/service'
import type { Relay } from '../relay/relay'

const LIST = '/relay.json'
const KICK = '/kick/'

/** For whoever runs the relay, behind the token of the admin: `GET /relay.json` lists devices and clients, `POST /kick/CLIENT` closes one. */
export function relayApp(relay: Relay): Fetch {
  return request => {
    const { pathname } = new URL(request.url)
    if (pathname === LIST && request.method === 'GET') {
      const { now, counters } = relay
      return Response.json({ now, counters, ...relay.list() })
    }
    if (pathname.startsWith(KICK) && request.method === 'POST') {
      if (isOfAnotherPage(request)) return new Response('Not from another page.\n', { status: 403 })
      const isHere = relay.kick(decodeURIComponent(pathname.slice(KICK.length)))
      return new Response(isHere ? 'Kicked.\n' : 'Not here: the other relays were asked.\n')
    }
    return new Response(`There is GET ${LIST} and POST ${KICK}CLIENT.\n`, { status: 404 })
  }
}

/** A browser sends the password that it has kept with whatever a page makes it send. */
function isOfAnotherPage({ headers, url }: Request): boolean {
  const origin = headers.get('origin')
  return origin !== null && !(URL.canParse(origin) && new URL(origin).host === new URL(url).host)
}
