import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The relative links of a page that lead to no file or to no heading, each with what is missing. */
export function deadLinks(root: string, page: string): string[] {
  return linksOf(proseOf(root, page)).flatMap(link => {
    const problem = problemWith(root, page, link)
    return problem === null ? [] : [`${page}: ${link}: ${problem}`]
  })
}

/** Markdown without its code, in blocks and within a line. */
function proseOf(root: string, page: string): string {
  return readFileSync(join(root, page), 'utf8').replace(/^ *```[\s\S]*?^ *```$/gm, '')
}

/** Of links, pictures and definitions, those without a scheme. */
function linksOf(prose: string): string[] {
  const links = [...prose.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)|^\[[^\]]+\]: (\S+)/gm)]
  return links
    .map(([, inline, defined]) => (inline ?? defined) as string)
    .filter(link => !/^[a-z]+:/.test(link))
}

function problemWith(root: string, page: string, link: string): string | null {
  const [path, anchor] = link.split('#') as [string, string?]
  const target = path === '' ? page : join(dirname(page), path)
  if (target.startsWith('..') || !existsSync(join(root, target))) return `there is no ${target}`
  if (anchor !== undefined && !anchorsOf(proseOf(root, target)).includes(anchor))
    return 'there is no such heading'
  return null
}

/** The anchors that GitHub gives to headings. */
function anchorsOf(prose: string): string[] {
  const seen = new Map<string, number>()
  return [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .replace(/\[([^\]]+)\]\([^)]+\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
}
