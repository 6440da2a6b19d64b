/**
 * Every answer to a visitor we turn away: its code, HTTP status and one plain English sentence. Pages say the same in
 * the reader's language; problem+json carries the code as the last part of `type`.
 */
export const refusals = {
  BODY_TOO_LARGE: [413, 'The body is larger than this door takes.'],
  BODY_NOT_JSON: [400, 'The body is not valid JSON.'],
  BODY_NOT_READABLE: [415, 'This door does not read that media type.'],
  BODY_NOT_VALID: [422, 'The body does not have the form this door asks for.'],
  REQUEST_NOT_VALID: [400, 'The request does not have the form this door asks for.'],
  REQUEST_TOO_SLOW: [408, 'The request did not come whole in time.'],
  HEADERS_TOO_LARGE: [431, 'The headers are larger than this door takes.'],
  NOT_FOUND: [404, 'There is nothing at this address.'],
  METHOD_NOT_ALLOWED: [405, 'This address does not take that method.'],
  NEWSROOM_UNKNOWN: [404, 'There is no newsroom by that name.'],
  RELEASE_UNKNOWN: [404, 'There is no such release.'],
  RELEASE_WITHDRAWN: [410, 'This release has been withdrawn.'],
  ADDRESS_NOT_VALID: [422, 'That is not an email address that mail can be sent to.'],
  LANGUAGE_NOT_OFFERED: [422, 'This newsroom does not write in that language.'],
  LINK_NOT_VALID: [404, 'This link is not one of ours, or has been cut short.'],
  CONFIRMATION_EXPIRED: [410, 'This link has expired. Sign up again to get a new one.'],
  LINK_EXPIRED: [410, 'This link has expired, or what it was for is done with. Ask for a new one.'],
  CHOICE_NOT_VALID: [422, 'One of the choices is not valid; nothing was changed.'],
  ONE_CLICK_NOT_ASKED: [400, 'To unsubscribe, post List-Unsubscribe=One-Click.'],
  SIGNATURE_NOT_VALID: [401, 'The signature or its time is missing, wrong or too old.'],
  WEBHOOK_ID_REUSED: [409, 'This webhook-id came before with another body.'],
  RELEASE_ALREADY_PUBLISHED: [409, 'A release with this externalId was published before, with other content.'],
  TOPIC_NOT_OFFERED: [422, 'This newsroom has no such topic.'],
  CHALLENGE_NEEDED: [428, 'Solve the challenge that comes with this answer, and ask again with its solution.'],
  TOO_MANY_SIGN_UPS: [429, 'Unusually many are signing up right now; wait as long as Retry-After says.'],
  TOO_MANY_REQUESTS: [429, 'Too many requests; wait as long as Retry-After says.'],
  LOGIN_NEEDED: [401, 'Log in first.'],
  ORIGIN_FOREIGN: [403, 'This request came from another site.'],
  MAILING_UNKNOWN: [404, 'There is no such mailing.'],
  TOO_BUSY: [503, 'The service cannot do this right now. Send the same again shortly; nothing is done twice.'],
  FAULT: [500, 'Something went wrong on our side; nothing was changed.'],
} as const satisfies Record<string, readonly [number, string]>

export type RefusalCode = keyof typeof refusals

/** One thing wrong in a body: where (RFC 6901 pointer) and what, in a sentence. */
export type Fault = { readonly pointer: string; readonly detail: string }

/** A visitor turned away: expected, told plainly, never a stack trace. */
export class Refusal extends Error {
  readonly code: RefusalCode
  readonly faults: readonly Fault[]
  /** Members of the problem that only this refusal has (RFC 9457, 3.2). */
  readonly more: Readonly<Record<string, unknown>>

  constructor(code: RefusalCode, faults: readonly Fault[] = [], more: Readonly<Record<string, unknown>> = {}) {
    super(refusals[code][1])
    this.name = 'Refusal'
    this.code = code
    this.faults = faults
    this.more = more
  }

  get status(): number {
    return refusals[this.code][0]
  }
}
