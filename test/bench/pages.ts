import autocannon from 'autocannon'
import type { Newsroom, NewsroomId } from '../../shared/newsroom/newsroom.ts'
import { insertRelease } from '../../shared/release/release.sql.ts'
import { sampleRelease } from '../given/mailing.ts'
import type { Installation } from '../rig/installation.ts'
import { p99 } from './p99.ts'

/** What readers and feed readers wait while bulk mail leaves on the same cores: the 99th percentile, in milliseconds. */
export type PageWaits = { readonly pagesP99Ms: number }

export type Reading = { stop(): Promise<PageWaits> }

/** Requests a second, over all pages and feeds. */
const rate = 200
const connections = 10
/** Releases the newsroom has published before, so that lists, searches and pages have something to show. */
const published = 1_000

/** Gives the newsroom an archive, as one has after some years. */
export async function fillNewsroom({ pool, newsroom }: Installation): Promise<readonly string[]> {
  const room = { id: newsroom.id as NewsroomId, zone: 'Europe/Oslo' } as Newsroom
  const paragraph = '<p>Tolv klynger og nettverk slipper i år inn i det nasjonale klyngeprogrammet, sier lederen.</p>'
  const ids: string[] = []
  for (let n = 0; n < published; n += 1) {
    const publishedAt = new Date(Date.now() - (n + 1) * 26 * 3_600_000)
    const languages = {
      nb: { title: `Sak nr. ${n} om ferja`, lead: 'Den går på strøm.', bodyHtml: paragraph.repeat(30) },
    }
    const release = sampleRelease(room, { publishedAt })
    await insertRelease(pool, { ...release, content: { ...release.content, languages } }, publishedAt)
    ids.push(release.id)
  }
  await pool.query('analyze releases, revisions, release_texts')
  return ids
}

const headers = { accept: 'text/html', 'accept-encoding': 'br' }

function pathsOf(slug: string, ids: readonly string[]): string[] {
  const base = `/newsrooms/${slug}`
  return [
    base,
    `${base}?q=ferje`,
    `${base}?q=strøm&kind=release`,
    `${base}?before=${ids[500]}`,
    ...[0, 3, 40, 400].map((n) => `${base}/releases/${ids[n]}`),
    ...['atom', 'rss', 'json'].map((form) => `${base}/feed.${form}`),
  ].map(encodeURI)
}

/** Reads each page some times, as a door that has been open for a while has been read from. */
export async function warmPages({ api, newsroom }: Installation, ids: readonly string[]): Promise<void> {
  const paths = pathsOf(newsroom.slug, ids)
  for (let turn = 0; turn < 40; turn += 1)
    await Promise.all(paths.map(async (path) => (await fetch(api + path, { headers })).arrayBuffer()))
}

/**
 * Reads until stopped: lists, searches and releases as people do, feeds as programs do. Latency is counted from when a
 * request was due, so that a stall counts for all it held up.
 */
export function readPages({ api, newsroom }: Installation, ids: readonly string[]): Reading {
  const paths = pathsOf(newsroom.slug, ids)
  const waits: number[] = []
  /** Between two requests of a connection, in milliseconds. */
  const interval = (1000 * connections) / rate
  let load: autocannon.Instance | undefined
  const reading = new Promise<autocannon.Result>((resolve, reject) => {
    const options: autocannon.Options = {
      url: api,
      connections,
      overallRate: rate,
      duration: 86_400,
      requests: paths.map((path) => ({ method: 'GET' as const, path, headers })),
    }
    load = autocannon(options, (error, result) => (error ? reject(error) : resolve(result)))
    // Its own correction for what a stall held up takes the interval between requests to be a thousandth of what it is.
    load.on('response', (_client, _status, _bytes, took) => {
      for (let waited = took; waited > 0; waited -= interval) waits.push(waited)
    })
  })
  return {
    stop: async () => {
      load?.stop()
      const result = await reading
      if (result.non2xx > 0 || result.errors > 0)
        throw new Error(`of the pages, ${result.non2xx} were refused and ${result.errors} broke off`)
      if (result.requests.total === 0) throw new Error('no page was asked for: the mailing was over too soon')
      return { pagesP99Ms: p99(waits) }
    },
  }
}
