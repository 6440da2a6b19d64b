import { sampleNewsroom, sampleRelease } from '../../services/cli/letters-preview-samples.ts'
import type { ReleaseLetterInput } from '../../shared/letter/release-view.ts'

/** A release, and a newsroom, with the same foreign string in every field that takes one. */
export const naughtyRelease = (naughty: string): ReleaseLetterInput => ({
  newsroom: {
    ...sampleNewsroom,
    name: naughty,
    senderName: naughty,
    replyTo: null,
    legalName: naughty,
    postalAddress: naughty,
    website: naughty,
    logoUrl: naughty,
    accent: naughty,
    about: { nb: naughty },
  },
  release: sampleRelease('release', {
    languages: { nb: { title: naughty, lead: naughty, bodyHtml: naughty } },
    contacts: [{ name: naughty, role: naughty, phone: naughty, email: naughty }],
    images: [
      { url: naughty, alt: naughty },
      { url: 'https://example.com/a.png', alt: naughty, caption: naughty, credit: naughty },
    ],
    documents: [
      { url: naughty, title: naughty, type: naughty },
      { url: 'https://example.com/a', title: naughty, type: naughty },
    ],
    links: [
      { url: naughty, title: naughty },
      { url: `https://example.com/?q=${naughty}`, title: naughty },
    ],
  }),
  language: 'nb',
  publicUrl: 'https://press.example.com',
  mailDomain: 'press.example.com',
})
