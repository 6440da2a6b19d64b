import type { Outcome, Outgoing } from '../../shared/transport/transport.ts'
import type { Composed, LetterTransport } from '../../workers/mailer/signing-transport.ts'

/** A transport that does with each letter what a test says, be it by itself or in a row. */
export const scriptedTransport = (
  send: (letter: Composed & Outgoing) => Promise<Outcome>,
  close: () => Promise<void> = async () => {},
): LetterTransport => ({
  send,
  sendRow: async ({ length, open, mayStart, settle }) => {
    const sendPlace = async (place: number) => {
      const letter = open(place)
      settle(
        place,
        letter === null ? { kind: 'not-started' } : await send({ ...letter, mayStart: () => mayStart(place) }),
      )
    }
    await Promise.all(Array.from({ length }, (_, place) => sendPlace(place)))
  },
  close,
})
