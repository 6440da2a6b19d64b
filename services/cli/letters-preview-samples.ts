import type { Language } from '../../shared/language/language.ts'
import type { DigestLetterInput } from '../../shared/letter/digest-view.ts'
import type { Newsroom } from '../../shared/newsroom/newsroom.ts'
import type { Release, ReleaseContent, ReleaseKind } from '../../shared/release/release.ts'

/** Invented people and places for looking at letters; the pictures' addresses begin with `pictures`. */
export const pictures = 'https://pictures.example.com/'

export const sampleNewsroom: Newsroom = {
  id: '1' as Newsroom['id'],
  slug: 'fjordvik-kommune',
  name: 'Fjordvik kommune',
  languages: ['nb', 'en'],
  defaultLanguage: 'nb',
  zone: 'Europe/Oslo',
  senderAddress: 'presse@fjordvik.example',
  senderName: 'Fjordvik kommune',
  replyTo: 'presse@fjordvik.example',
  legalName: 'Fjordvik kommune',
  postalAddress: 'Rådhusgata 1\n0001 Fjordvik\nNorge',
  website: 'https://www.fjordvik.example/',
  logoUrl: `${pictures}logo.svg`,
  accent: '#0b7a75',
  about: {
    nb: 'Fjordvik er en kystkommune med 24\u00a0000 innbyggere. Kommunen driver egne ferger, tolv skoler og landets nordligste botaniske hage.',
    en: 'Fjordvik is a coastal municipality of 24,000 people. It runs its own ferries, twelve schools and the northernmost botanical garden in the country.',
  },
  topics: [],
  digestHour: 8,
  digestWeekday: 1,
  allowedOrigins: [],
}

/** The same newsroom without a logo or a word about itself. */
export const plainNewsroom: Newsroom = { ...sampleNewsroom, logoUrl: null, about: {}, website: null, accent: '#e8b400' }

export type SampleRelease = Pick<
  Release,
  'id' | 'externalId' | 'revision' | 'publishedAt' | 'zone' | 'content' | 'kind'
>

export const sampleRelease = (kind: ReleaseKind, content: ReleaseContent): SampleRelease => ({
  id: '0199a0a4-7d3a-7b1c-9c55-2f6d0c6a1b11' as Release['id'],
  externalId: 'ferge-2026-11',
  revision: kind === 'release' ? 1 : 2,
  kind,
  publishedAt: new Date('2026-11-03T08:05:00Z'),
  zone: 'Europe/Oslo',
  content,
})

const texts: ReleaseContent['languages'] = {
  nb: {
    title: 'Fjordvik får landets første selvgående elektriske ferge',
    lead: 'Fra mandag 9. november går den elektriske fergen «Havørna» mellom Fjordvik og Sandøya uten styrmann på broen. Reisen er gratis ut året.',
    bodyHtml: `<p>Fergen er bygget ved Sandøya Verft og har plass til 96 passasjerer og 18 biler. Den lader på fire minutter ved hvert anløp og erstatter en dieselferge fra 1987.</p>
<p>– Vi har ventet lenge på denne dagen. Øyfolket får avgang hvert tjuende minutt, også om natten, sier ordfører <strong>Ingrid Solvang</strong>.</p>
<h2>Slik blir rutetilbudet</h2>
<ul><li>Avgang hvert tjuende minutt, hele døgnet</li><li>Gratis for alle til og med 31. desember 2026</li><li>Plass til rullestol, barnevogn og sykkel på alle avganger</li></ul>
<blockquote><p>Ingen skal måtte planlegge livet etter fergen.</p></blockquote>
<h3>Pris fra nyttår</h3>
<table><thead><tr><th>Billett</th><th>Pris</th></tr></thead><tbody><tr><td>Voksen</td><td>38 kr</td></tr><tr><td>Barn under 16</td><td>Gratis</td></tr><tr><td>Bil med fører</td><td>112 kr</td></tr></tbody></table>
<p>Hele ruteplanen ligger på <a href="https://www.fjordvik.example/ferge">kommunens nettsider</a>.</p>`,
  },
  en: {
    title: 'Fjordvik launches the country’s first self-steering electric ferry',
    lead: 'From Monday 9 November the electric ferry “Havørna” crosses between Fjordvik and Sandøya with nobody at the helm. Travel is free for the rest of the year.',
    bodyHtml: `<p>Built at the Sandøya yard, the ferry carries 96 passengers and 18 cars. It charges in four minutes at each call and replaces a diesel ferry from 1987.</p>
<p>“We have waited a long time for this day. The islanders get a departure every twenty minutes, at night too,” says the mayor, <strong>Ingrid Solvang</strong>.</p>
<h2>The new timetable</h2>
<ul><li>A departure every twenty minutes, around the clock</li><li>Free for everyone until 31 December 2026</li><li>Room for wheelchairs, prams and bicycles on every departure</li></ul>
<blockquote><p>Nobody should have to plan their life around a ferry.</p></blockquote>
<h3>Fares from the new year</h3>
<table><thead><tr><th>Ticket</th><th>Fare</th></tr></thead><tbody><tr><td>Adult</td><td>NOK 38</td></tr><tr><td>Child under 16</td><td>Free</td></tr><tr><td>Car with driver</td><td>NOK 112</td></tr></tbody></table>
<p>The whole timetable is on <a href="https://www.fjordvik.example/ferry">the municipality’s website</a>.</p>`,
  },
}

export const fullContent: ReleaseContent = {
  languages: texts,
  contacts: [
    { name: 'Ingrid Solvang', role: 'Ordfører', phone: '+47 555 01 234', email: 'ingrid.solvang@fjordvik.example' },
    {
      name: 'Aslak Njuolla',
      role: 'Kommunikasjonssjef',
      phone: '+47 555 01 235',
      email: 'aslak.njuolla@fjordvik.example',
    },
  ],
  images: [
    {
      url: `${pictures}ferge.svg`,
      alt: 'Den elektriske fergen «Havørna» legger fra kai i Fjordvik ved soloppgang',
      caption: 'Havørna på prøvetur i oktober.',
      credit: 'Marius Havn / Fjordvik kommune',
    },
    {
      url: `${pictures}kai.svg`,
      alt: 'Ladetårnet på fergekaien på Sandøya',
      caption: 'Ladetårnet på Sandøya.',
      credit: 'Tuva Lind',
    },
  ],
  documents: [
    {
      url: 'https://www.fjordvik.example/filer/ruteplan.pdf',
      title: 'Ruteplan vinteren 2026–2027',
      type: 'application/pdf',
      size: 1_240_000,
    },
    {
      url: 'https://www.fjordvik.example/filer/bilder.zip',
      title: 'Pressebilder i full oppløsning',
      type: 'application/zip',
      size: 48_300_000,
    },
  ],
  links: [
    { url: 'https://www.fjordvik.example/ferge/film', title: 'Film fra prøveturen' },
    { url: 'https://www.sandoya-verft.example/havorna', title: 'Om fergen hos Sandøya Verft' },
  ],
}

/** The same as an English-speaking publisher would fill it in. */
export const englishContent: ReleaseContent = {
  languages: texts,
  contacts: [
    { name: 'Ingrid Solvang', role: 'Mayor', phone: '+47 555 01 234', email: 'ingrid.solvang@fjordvik.example' },
    {
      name: 'Aslak Njuolla',
      role: 'Head of communications',
      phone: '+47 555 01 235',
      email: 'aslak.njuolla@fjordvik.example',
    },
  ],
  images: [
    {
      url: `${pictures}ferge.svg`,
      alt: 'The electric ferry Havørna leaving the quay in Fjordvik at sunrise',
      caption: 'Havørna on a trial crossing in October.',
      credit: 'Marius Havn / Fjordvik kommune',
    },
    { url: `${pictures}kai.svg`, alt: 'The charging tower on the quay at Sandøya', credit: 'Tuva Lind' },
  ],
  documents: [
    {
      url: 'https://www.fjordvik.example/files/timetable.pdf',
      title: 'Timetable, winter 2026–2027',
      type: 'application/pdf',
      size: 1_240_000,
    },
  ],
  links: [{ url: 'https://www.fjordvik.example/ferry/film', title: 'Film from the trial crossing' }],
}

export const bareContent: ReleaseContent = { languages: texts, contacts: [], images: [], documents: [], links: [] }

/** A text far longer than a letter may be. */
export const longContent: ReleaseContent = {
  ...fullContent,
  languages: {
    nb: { ...texts.nb!, bodyHtml: texts.nb!.bodyHtml.repeat(120) },
  },
}

/** Some more of the same week, for a digest. */
export const digestItems: DigestLetterInput['items'] = [
  { telling: 'new', release: sampleRelease('release', { ...bareContent, languages: texts }) },
  {
    telling: 'correction',
    release: digestRelease('2026-11-02T12:30:00Z', {
      nb: {
        title: 'Svømmehallen åpner igjen 16. november',
        lead: 'Etter ni måneder med ny varmepumpe og nye garderober er svømmehallen klar. Åpningstidene var feil i den første utgaven.',
        bodyHtml: '',
      },
      en: {
        title: 'The swimming pool reopens on 16 November',
        lead: 'After nine months the pool has a new heat pump and new changing rooms. The first version had the wrong opening hours.',
        bodyHtml: '',
      },
    }),
  },
  {
    telling: 'amended',
    release: digestRelease('2026-11-02T07:00:00Z', {
      nb: {
        title: 'Kommunestyret vedtar budsjettet torsdag',
        lead: 'Møtet sendes direkte fra kl. 10. Saksdokumentene ligger på kommunens nettsider.',
        bodyHtml: '',
      },
    }),
  },
]

/** Far more than a letter holds. */
export const manyDigestItems: DigestLetterInput['items'] = Array.from({ length: 120 }, (_, index) => ({
  telling: 'new' as const,
  release: digestRelease('2026-11-01T07:00:00Z', {
    nb: { title: `Sak ${120 - index}: ${texts.nb!.title}`, lead: `${texts.nb!.lead} `.repeat(6), bodyHtml: '' },
  }),
}))

function digestRelease(publishedAt: string, languages: ReleaseContent['languages']): SampleRelease {
  return { ...sampleRelease('release', { ...bareContent, languages }), publishedAt: new Date(publishedAt) }
}

export const noticeLanguages: readonly Language[] = ['nb', 'en']

const drawing = (body: string, width: number, height: number) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${body}</svg>\n`

/** What stands behind the pictures' addresses, drawn here so that a preview needs no network. */
export const sampleDrawings: Readonly<Record<string, string>> = {
  'logo.svg': drawing(
    '<path d="M4 40 22 10l12 18 6-8 14 20z" fill="#0b7a75"/><text x="64" y="36" font-family="sans-serif" font-size="26" font-weight="700" fill="#14303a">Fjordvik</text>',
    190,
    48,
  ),
  'ferge.svg': drawing(
    '<rect width="1200" height="640" fill="#f6c89f"/><circle cx="860" cy="330" r="90" fill="#fff2d8"/><path d="M0 380 220 200l160 150 150-110 220 140 180-90 270 120v230H0z" fill="#7d93a3"/><rect y="400" width="1200" height="240" fill="#33566b"/><path d="M260 430h620l-50 80H320z" fill="#fdfdfd"/><rect x="380" y="360" width="340" height="70" fill="#0b7a75"/><rect x="500" y="310" width="120" height="50" fill="#fdfdfd"/>',
    1200,
    640,
  ),
  'kai.svg': drawing(
    '<rect width="1200" height="640" fill="#bfd8e2"/><rect y="430" width="1200" height="210" fill="#3f5d6b"/><rect y="400" width="700" height="60" fill="#8b8378"/><rect x="520" y="120" width="70" height="290" fill="#0b7a75"/><rect x="590" y="150" width="150" height="26" fill="#0b7a75"/>',
    1200,
    640,
  ),
}
