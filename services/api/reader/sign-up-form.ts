import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLanguage } from '../../../shared/language/language.ts'
import { wordsFor } from '../../../shared/language/words.ts'
import type { Newsroom } from '../../../shared/newsroom/newsroom.ts'
import { withoutBlanksAround } from '../../../shared/subscriber/address.ts'
import { readProof } from './challenge.ts'
import { originOfForm } from './cross-origin.ts'
import { consentWords, followBox, type GivenForm } from './follow-box.ts'
import { isSeasoned } from './form-age.ts'
import { fieldOf, fieldsOf } from './form-body.ts'
import { sendNote } from './note-page.ts'
import { formUrlOf, originOf } from './origin-of.ts'
import { pageLanguage } from './page-language.ts'
import { sendPage } from './page-reply.ts'
import type { ReaderDeps } from './reader-deps.ts'
import { signUp } from './sign-up.ts'
import { admit, type Pass, refuseForNow } from './sign-up-budgets.ts'
import { readWish } from './sign-up-wish.ts'

/**
 * Answers a form, from our page or from the publisher's own without script. Whoever brings less than we ask for is a
 * program nearly always, and a person now and then: so they are not refused but asked once more, with all they wrote
 * kept, and one press of the button is enough.
 */
export async function answerForm(deps: ReaderDeps, request: FastifyRequest, reply: FastifyReply, newsroom: Newsroom) {
  const filledIn = readForm(request)
  const wish = readWish(newsroom, {
    email: filledIn.email,
    language: filledIn.language || undefined,
    frequency: filledIn.frequency || undefined,
    topics: filledIn.topics,
  })
  const given: GivenForm = {
    email: filledIn.email,
    ...(isLanguage(filledIn.language) && newsroom.languages.includes(filledIn.language)
      ? { language: filledIn.language }
      : {}),
    ...{ topics: filledIn.topics, frequency: filledIn.frequency, again: true },
  }
  if ('fault' in wish) return sendForm(request, reply, newsroom, { ...given, fault: wish.fault })

  const spoken = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  const asked = (note: 'asked' | 'later') =>
    sendNote(request, reply, { newsroom, language: spoken, room: 'follow', note, small: `${note}.wait` })
  // A person sees this field empty and hidden; what fills in every field there is gets the same answer and no letter.
  if (fieldOf(request, 'comment') !== '') return asked('asked')
  if (!(await isOurForm(deps, request, newsroom))) return sendForm(request, reply, newsroom, given)

  const pass = await passOf(deps, request, newsroom)
  const admission = await admit(deps, newsroom, request.ip, pass)
  if (!admission.admitted && admission.needs === 'proof')
    return sendForm(request, reply, newsroom, { ...given, check: true })
  if (!admission.admitted) throw refuseForNow(reply, admission)
  await signUp(deps, {
    ...{ newsroomId: newsroom.id, wish, door: 'newsroom-page', notBefore: admission.notBefore },
    consent: { wording: consentWords(newsroom, spoken), language: spoken, formUrl: formUrlOf(deps, request, newsroom) },
    originHash: originOf(deps, request),
  })
  return asked(pass === 'slow-lane' ? 'later' : 'asked')
}

function readForm(request: FastifyRequest) {
  return {
    email: withoutBlanksAround(fieldOf(request, 'email')),
    language: fieldOf(request, 'language'),
    frequency: fieldOf(request, 'frequency'),
    topics: fieldsOf(request, 'topics'),
  }
}

/** Shown by us some seconds ago at least, or standing in a page the newsroom has listed as its own. */
async function isOurForm(deps: ReaderDeps, request: FastifyRequest, newsroom: Newsroom): Promise<boolean> {
  const from = originOfForm(deps, newsroom, request)
  if (from === 'listed') return true
  return from !== 'foreign' && isSeasoned(deps.links, newsroom.id, fieldOf(request, 'shown'), deps.now())
}

async function passOf(deps: ReaderDeps, request: FastifyRequest, newsroom: Newsroom): Promise<Pass> {
  const proof = await readProof(deps.links, newsroom.id, fieldOf(request, 'altcha'), deps.now())
  if (proof !== null) return { proof }
  // The page that offers the check has this field too, for browsers that cannot do it.
  return fieldOf(request, 'lane') === 'slow' ? 'slow-lane' : 'plain'
}

/** The form on a page of its own: asked for, or shown once more because something is missing. */
export function sendForm(
  request: FastifyRequest,
  reply: FastifyReply,
  newsroom: Newsroom,
  given: GivenForm,
): FastifyReply {
  const language = pageLanguage(request, newsroom.languages, newsroom.defaultLanguage)
  const words = wordsFor(language, 'pages')
  const title = words('follow.title')
  const asksMore = given.again === true && !given.fault
  return sendPage(request, reply, {
    template: 'follow',
    language,
    title: given.fault ? words('faultyTitle', { title }) : title,
    newsroom,
    languages: given.again ? [] : newsroom.languages,
    ...(given.fault ? { status: 422 } : asksMore ? { status: 428 } : {}),
    scripts: given.check ?? false,
    values: {
      follow: followBox(newsroom, language, { open: true, ...given }),
      notice: given.check ? 'check' : asksMore ? 'again' : null,
    },
  })
}
