import type { Newsroom, NewsroomId } from '../../shared/newsroom/newsroom.ts'

/** The newsroom of the examples in docs/follow-box.md. */
export const havna: Newsroom = {
  id: '01940000-0000-7000-8000-000000000000' as NewsroomId,
  slug: 'havna',
  name: 'Havna kommune',
  languages: ['nb', 'en'],
  defaultLanguage: 'nb',
  zone: 'Europe/Oslo',
  senderAddress: 'presse@havna.example',
  senderName: 'Havna kommune',
  replyTo: null,
  legalName: 'Havna kommune',
  postalAddress: 'Kaien 1, 9990 Havna',
  website: 'https://www.havna.example',
  logoUrl: null,
  accent: '#1f4e79',
  about: {},
  topics: [
    { id: 'climate', names: { nb: 'Klima', en: 'Climate' } },
    { id: 'harbour', names: { nb: 'Havn', en: 'Harbour' } },
  ],
  digestHour: 8,
  digestWeekday: 1,
  allowedOrigins: ['https://www.havna.example'],
}
