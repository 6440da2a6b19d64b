import { spawnSync } from 'node:child_process'

/** The distribution's own: another Python in the path may not have its packages. */
const python = '/usr/bin/python3'

/** Debian's python3-feedparser: how a program that is not ours reads a feed. */
export const hasFeedParser = spawnSync(python, ['-c', 'import feedparser']).status === 0

export type ParsedFeed = {
  readonly bozo: boolean
  readonly bozo_exception?: string
  readonly version: string
  readonly feed: {
    readonly title: string
    readonly id?: string
    readonly updated: string
    readonly links: readonly ParsedLink[]
  }
  readonly entries: readonly ParsedEntry[]
}
type ParsedLink = { readonly rel: string; readonly href: string; readonly type?: string; readonly length?: string }
export type ParsedEntry = {
  readonly id: string
  readonly title: string
  readonly link: string
  readonly summary?: string
  readonly published: string
  readonly updated: string
  readonly content: readonly { readonly value: string; readonly type: string; readonly language: string | null }[]
  readonly tags?: readonly { readonly term: string }[]
  readonly links: readonly ParsedLink[]
}

/** Feeds read by it, several at once, because Python takes its time to start. */
export function parseFeeds(feeds: readonly string[]): ParsedFeed[] {
  const { stdout, stderr, status } = spawnSync(python, ['-c', program], {
    input: JSON.stringify(feeds),
    maxBuffer: 256 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`feedparser: ${stderr.toString()}`)
  return JSON.parse(stdout.toString())
}

const program = `
import feedparser, json, sys
feedparser.SANITIZE_HTML = 0
def plain(v): return str(v) if isinstance(v, Exception) else list(v) if hasattr(v, 'tm_year') else str(v)
print(json.dumps([feedparser.parse(f.encode('utf-8'), response_headers={'content-type': 'application/xml; charset=utf-8'}) for f in json.load(sys.stdin)], default=plain))
`
