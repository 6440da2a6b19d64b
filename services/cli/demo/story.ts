import { addressHashKey } from '../../../shared/subscriber/address-hash.ts'
import { addReaders } from '../../../shared/subscription/add-readers.sql.ts'
import { Mistake } from '../mistake.ts'
import type { ReleaseBody } from '../release-file.ts'
import { count } from '../terminal.ts'
import { headerOf, type Letter, linkIn, openingOf } from './mailbox.ts'
import { earlierMailingsDone, mailingDone, publishTwice } from './mailings.ts'
import type { Narrator } from './narrator.ts'
import { formsOf, headingOf, pressButton, readPage } from './pages.ts'
import { sampleRelease } from './sample-release.ts'
import { followers, openScene, type Scene } from './scene.ts'
import type { Stage } from './stage.ts'

/** The whole life of a reader and two releases, each step done through the door it has in earnest. */
export async function playStory(stage: Stage, narrator: Narrator, now: () => Date): Promise<void> {
  // The clock's own digits: a new reader and new releases each time, so that the demo can be run again and again.
  const run = now().getTime().toString(36)
  const sample = (file: string) => sampleRelease(file, stage.standalone.api, run, now())
  const scene = await openScene(stage, run, narrator, now)
  try {
    await earlierMailingsDone(scene)
    await neighboursFollow(scene)
    const question = await adaSignsUp(scene)
    await adaConfirms(scene, question)
    const release = sample('release.json')
    const letter = await releaseArrives(scene, release)
    await adaLeaves(scene, letter)
    await followUpPassesBy(scene, release, sample('follow-up.json'))
    narrator.end('Every reader got each release once, and nobody was written to after leaving.')
  } finally {
    scene.close()
  }
}

async function neighboursFollow({ stage, newsroom, neighbours, narrator, now }: Scene): Promise<void> {
  narrator.step(`Three neighbours follow ${newsroom.name}`)
  const deps = { pool: stage.surroundings.database(), hashKey: addressHashKey(stage.surroundings.secretKeys()), now }
  const plan = {
    newsroom,
    language: newsroom.defaultLanguage,
    source: 'Invented readers of the demo; nobody is behind them.',
  }
  const addresses = neighbours.map(({ address }) => address)
  const tally = await addReaders(deps, plan, addresses)
  narrator.tell(addresses.join(', '))
  narrator.check('All three are followers.', tally.added + tally.alreadyFollowing === addresses.length)
}

async function adaSignsUp({ stage, newsroom, ada, narrator }: Scene): Promise<Letter> {
  const page = `${stage.standalone.api}/newsrooms/${newsroom.slug}`
  narrator.step('Ada signs up on the newsroom’s page')
  narrator.tell(`${page}, as ${ada.address}`)
  const form = formsOf(await readPage(page), page).find(({ fields }) => fields.some(({ type }) => type === 'email'))
  if (!form) throw new Mistake(`There is no form to follow with on ${page}.`)
  const field = form.fields.find(({ type }) => type === 'email')!
  const answer = await pressButton(form, { [field.name]: ada.address })
  narrator.tell(`The page answers: ${headingOf(await answer.text())}`)
  narrator.check('The form was accepted.', answer.ok)

  narrator.step('A letter asks whether it was she')
  const letter = await ada.letter(0)
  narrator.quote([`Subject: ${letter.subject}`, '', ...openingOf(letter, 6)])
  narrator.check('It holds a link to confirm.', linkIn(letter, 'confirm') !== null)
  return letter
}

async function adaConfirms(scene: Scene, question: Letter): Promise<void> {
  const { narrator } = scene
  const link = linkIn(question, 'confirm')!
  const before = await followers(scene)
  narrator.step('Her employer’s mail scanner opens the link before she does')
  for (const method of ['GET', 'HEAD', 'GET']) await fetch(link, { method, signal: AbortSignal.timeout(10_000) })
  narrator.check('Opening the link three times changed nothing.', (await followers(scene)) === before)

  narrator.step('Ada opens it and presses the button')
  const form = formsOf(await readPage(link), link).find(({ method }) => method === 'post')
  if (!form) throw new Mistake('The page behind the link has no button.')
  const answer = await pressButton(form)
  narrator.tell(`The page answers: ${headingOf(await answer.text())}`)
  narrator.check('Now she follows.', answer.ok && (await followers(scene)) === before + 1)
}

async function releaseArrives(scene: Scene, release: ReleaseBody): Promise<Letter> {
  const { ada, narrator, now } = scene
  narrator.step('The newsroom publishes a release, signed')
  const postedAt = now()
  const mailing = await publishTwice(scene, release)

  narrator.step('The letter arrives')
  const letter = await ada.letter(1)
  const seconds = (now().getTime() - postedAt.getTime()) / 1_000
  narrator.tell(`To Ada, ${seconds.toFixed(1)} s after the release was posted:`)
  narrator.quote([`From:    ${letter.sender}`, `Subject: ${letter.subject}`, '', ...openingOf(letter, 8), ''])
  narrator.quote(oneClick.map((name) => `${name}: ${headerOf(letter, name) ?? 'is missing'}`))
  await mailingDone(scene, mailing)
  const [, ...since] = await ada.letters()
  narrator.check('It is the release, and it came to her once.', since.length === 1 && isOf(release, letter))
  await neighboursHave(scene, [release])
  return letter
}

const oneClick = ['List-Unsubscribe', 'List-Unsubscribe-Post']

async function adaLeaves(scene: Scene, letter: Letter): Promise<void> {
  const { narrator } = scene
  const before = await followers(scene)
  narrator.step('Ada leaves with one click in her mailbox')
  const url = /<(https?:[^>]+)>/.exec(headerOf(letter, 'List-Unsubscribe') ?? '')?.[1]
  if (!url) throw new Mistake('The letter says no address to leave by.')
  const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
  const answer = await fetch(url, { method: 'POST', body, redirect: 'error', signal: AbortSignal.timeout(10_000) })
  narrator.tell(`POST List-Unsubscribe=One-Click → ${answer.status}`)
  narrator.check('She has left.', answer.ok && (await followers(scene)) === before - 1)
}

async function followUpPassesBy(scene: Scene, first: ReleaseBody, followUp: ReleaseBody): Promise<void> {
  const { ada, narrator } = scene
  const before = (await ada.letters()).length
  narrator.step('The newsroom publishes a follow-up')
  const mailing = await publishTwice(scene, followUp)

  narrator.step('It reaches the others, and not her')
  const { totals } = await mailingDone(scene, mailing)
  narrator.tell(`The mailing is done: ${count(totals.sent, 'letter')} handed over, ${totals.inDoubt} in doubt.`)
  await neighboursHave(scene, [first, followUp])
  narrator.check('Nothing came to Ada.', (await ada.letters()).length === before)
}

/** Since the story began, exactly these, in this order, to each of them. */
async function neighboursHave({ neighbours, narrator }: Scene, releases: readonly ReleaseBody[]): Promise<void> {
  const each = await Promise.all(neighbours.map((mailbox) => mailbox.letters()))
  const right = (letters: readonly Letter[]) =>
    letters.length === releases.length && releases.every((release, place) => isOf(release, letters[place]!))
  const claim =
    releases.length === 1 ? 'Each of the neighbours has it, once.' : 'Each of the neighbours has both, once.'
  narrator.check(claim, each.every(right))
}

const isOf = (release: ReleaseBody, { subject }: Letter) => release.titles.some((title) => subject.includes(title))
