import { findNewsroom } from '../../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { countSubscriptions } from '../../../shared/subscription/count-subscriptions.sql.ts'
import { Mistake } from '../mistake.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'
import type { Narrator } from './narrator.ts'
import type { Stage } from './stage.ts'

/** Where the story happens, who is in it and who watches. */
export type Scene = {
  readonly stage: Stage
  readonly newsroom: Newsroom
  readonly ada: Mailbox
  readonly neighbours: readonly Mailbox[]
  readonly narrator: Narrator
  readonly now: () => Date
  close(): void
}

/** The same three each time; who follows already is left as they are. */
const neighbours = ['bo', 'cecilie', 'dag'].map((name) => `${name}@neighbours.example`)

export async function openScene(stage: Stage, run: string, narrator: Narrator, now: () => Date): Promise<Scene> {
  const { sampleNewsroom, inbox } = stage.standalone
  const newsroom = await findNewsroom(stage.surroundings.database(), sampleNewsroom)
  if (!newsroom) throw new Mistake(`The sample newsroom ${sampleNewsroom} is not there any more.`)
  const cast = await Promise.all(
    [`ada.${run}@example.com`, ...neighbours].map((address) => openMailbox(inbox, address)),
  )
  const [ada, ...others] = cast
  const close = () => {
    for (const mailbox of cast) mailbox.close()
  }
  return { stage, newsroom, ada: ada!, neighbours: others, narrator, now, close }
}

/** How many follow the newsroom, asked of the database and not of the pages the story is about. */
export async function followers({ stage, newsroom }: Scene): Promise<number> {
  const counts = await countSubscriptions(stage.surroundings.database(), newsroom.id)
  return counts.filter(({ state }) => state === 'active').reduce((sum, { readers }) => sum + readers, 0)
}
