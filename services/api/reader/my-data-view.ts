import { isLanguage, type Language, languageNames } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import { toldDay, toldHour, toldZone } from '../../../shared/letter/told.ts'
import { type Newsroom, topicName } from '../../../shared/newsroom/newsroom.ts'
import type { HeldData, HeldDelivery, HeldSubscription } from '../../../shared/subscriber/held-data.sql.ts'

/** Letters told on the page, the newest first; all of them are in the file. */
const lettersShown = 20

/** What a page says of all that is held: plainly, and in the reader's language. The file has the rest. */
export function heldView(held: HeldData, newsroom: Newsroom | null, language: Language) {
  const say = wordsFor(language, 'choices')
  const zone = newsroom?.zone ?? 'UTC'
  const moment = (at: Date) => ({ at: at.toISOString(), told: toldHour(at, zone, language) })
  const known = held.subscribers.find(({ address }) => address !== null)
  const wishesOf = ({ frequency, language: tag, topics, pausedUntil }: HeldSubscription) =>
    [
      say(`frequency.${frequency}`),
      isLanguage(tag) ? languageNames[tag] : tag,
      topics.map((id) => nameOf(newsroom, id, language)).join(', '),
      // One of several in a row, which end without a full stop.
      pausedUntil ? say('paused', { date: toldDay(pausedUntil, zone, language) }).replace(/\.$/, '') : '',
    ].filter((part) => part !== '')
  const letters = held.deliveries.slice(0, lettersShown)
  return {
    address: known?.address ?? '',
    since: say('myData.since', { when: toldDay(known?.createdAt ?? new Date(0), zone, language) }),
    zone: wordsFor(language, 'letters')('zone', {
      zone: toldZone(held.consents[0]?.at ?? new Date(0), zone, language),
    }),
    barred: held.suppression !== null,
    follows: held.subscriptions.map((one) => ({
      newsroom: one.newsroomName,
      state: say(`state.${one.state}`),
      wishes: one.state === 'active' ? wishesOf(one) : [],
    })),
    said: held.consents.toReversed().map((one) => ({
      ...moment(one.at),
      newsroom: one.newsroomName,
      act: say(`act.${one.act}`),
      // The version stands before the words, for us and not for the reader; of a change its own words say more.
      words: one.act === 'changed' ? '' : (one.wording ?? '').replace(/^\d{4}-\d{2}: /, ''),
      changes: Object.keys((one.detail ?? {}) as object).map((name) => say(name === 'pausedUntil' ? 'pause' : name)),
      language: one.language && isLanguage(one.language) ? one.language : language,
    })),
    letters: letters.map((one) => ({
      ...moment(one.at),
      title: one.title ?? one.newsroom,
      state: say(`letter.${stateOf(one)}`),
    })),
    kept: letters.length === 0 ? null : say('myData.lettersKept'),
  }
}

function nameOf(newsroom: Newsroom | null, id: string, language: Language): string {
  const topic = newsroom?.topics.find((one) => one.id === id)
  return newsroom && topic ? topicName(topic, language, newsroom.defaultLanguage) : id
}

function stateOf({ state }: HeldDelivery): 'sent' | 'waiting' | 'refused' | 'unsent' {
  if (state === 'sent' || state === 'complained' || state === 'in_doubt') return 'sent'
  if (state === 'due' || state === 'claimed' || state === 'deferred') return 'waiting'
  return state === 'bounced' || state === 'failed' ? 'refused' : 'unsent'
}
