import { uuidv7 } from 'uuidv7'
import { insertNewsroom } from '../../shared/newsroom/newsroom.sql.ts'
import type { Newsroom, NewsroomId } from '../../shared/newsroom/newsroom.ts'
import type { Db } from '../../shared/postgres/pool.ts'

export async function givenNewsroom(db: Db, wishes: Partial<Newsroom> = {}): Promise<Newsroom> {
  const id = uuidv7() as NewsroomId
  const newsroom: Newsroom = {
    id,
    slug: `newsroom-${id.slice(-12)}`,
    name: 'Havneby kommune',
    languages: ['nb', 'en'],
    defaultLanguage: 'nb',
    zone: 'Europe/Oslo',
    senderAddress: 'presse@havneby.example',
    senderName: 'Havneby kommune',
    replyTo: null,
    legalName: 'Havneby kommune',
    postalAddress: 'Torget 1, 0001 Havneby',
    website: 'https://havneby.example/',
    logoUrl: null,
    accent: '#1f4e79',
    about: {},
    topics: [],
    digestHour: 8,
    digestWeekday: 1,
    allowedOrigins: [],
    ...wishes,
  }
  await insertNewsroom(db, newsroom, new Date())
  return newsroom
}
