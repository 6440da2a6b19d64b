import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolder } from '../project-folder.ts'
import { type ReleaseBody, releaseBody } from '../release-file.ts'

type Webhook = { timestamp: string; data: { externalId: string; publishedAt: string } }

/** One of the examples as if it were published now, under a name no run before this one has used. */
export function sampleRelease(file: string, api: string, run: string, now: Date): ReleaseBody {
  const webhook = JSON.parse(
    readFileSync(join(projectFolder, 'examples', file), 'utf8').replaceAll('{{publicUrl}}', api),
  ) as Webhook
  const at = now.toISOString()
  const data = { ...webhook.data, externalId: `${webhook.data.externalId}-${run}`, publishedAt: at }
  return releaseBody(JSON.stringify({ ...webhook, timestamp: at, data }), file)
}
