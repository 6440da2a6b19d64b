import {
  findMailingProgress,
  listMailings,
  type MailingProgress,
} from '../../../shared/mailing/mailing-progress.sql.ts'
import { tellRefusal } from '../publish-words.ts'
import type { ReleaseBody } from '../release-file.ts'
import { postRelease, webhookIdOf } from '../webhook.ts'
import { until } from './patience.ts'
import type { Scene } from './scene.ts'

/** What was published before this story began is sent first, so that no letter of it is taken for one of ours. */
export async function earlierMailingsDone({ stage, newsroom }: Scene): Promise<void> {
  const states = ['accepted', 'cutting', 'sending']
  const live = { newsroom: newsroom.slug, states, kind: null, paused: false, before: null, limit: 1 }
  const db = stage.surroundings.database()
  await until('Mailings from before the demo are not done', async () => (await listMailings(db, live)).length === 0)
}

/**
 * Posts a release, and then once more, as a publishing system does that never heard the first answer; gives the number
 * of its mailing.
 */
export async function publishTwice(scene: Scene, release: ReleaseBody): Promise<string> {
  const { stage, newsroom, narrator, now } = scene
  const { api, webhookSecret: secret } = stage.standalone
  const webhook = { api, newsroom: newsroom.slug, secret, id: webhookIdOf(release.text), body: release.text }
  narrator.quote(release.titles)
  const first = await postRelease({ now }, webhook)
  if (first.status >= 300) throw tellRefusal(first)
  narrator.check(`Accepted as ${release.externalId}.`, true)
  const second = await postRelease({ now }, webhook)
  narrator.check('Posted again, it gets the same answer.', second.status === first.status && second.text === first.text)
  return (JSON.parse(first.text) as { mailing: { id: string } }).mailing.id
}

export async function mailingDone({ stage }: Scene, id: string): Promise<MailingProgress> {
  const find = () => findMailingProgress(stage.surroundings.database(), id)
  await until(`Mailing ${id} is not done`, async () => (await find())?.state === 'done')
  return (await find())!
}
