import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { openPool, type Pool } from '../../shared/postgres/pool.ts'

export type TestDatabase = { readonly url: string; readonly pool: Pool; close(): Promise<void> }

/** A database of this test file's own, made from the migrated template in some 30 ms. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const template = new URL(inject('templateUrl'))
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = new URL(template)
  admin.pathname = '/postgres'
  await runOn(admin, `create database ${name} template ${template.pathname.slice(1)} strategy file_copy`)
  const own = new URL(template)
  own.pathname = `/${name}`
  const pool = openPool({ url: own.href, name: 'test', most: 10, onError: () => {} })
  return {
    url: own.href,
    pool,
    close: async () => {
      await pool.end()
      await runOn(admin, `drop database ${name} with (force)`)
    },
  }
}

/**
 * Deletes every row. Tests hold few, and `truncate` makes each table and index anew, which every connection must then
 * get to know again: ten times the work. Neither foreign keys nor the consent log's guard are asked.
 */
export async function emptyTables(pool: Pool): Promise<void> {
  await pool.query(`do $$
    declare name text;
    begin
      set local session_replication_role = replica;
      for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'migrations' loop
        execute format('delete from %I', name);
      end loop;
    end $$`)
}

/** All there is in a database, as text: what is deleted must not be in it. */
export async function everyRow(pool: Pool): Promise<string> {
  const tables = await pool.query<{ name: string }>(
    `select quote_ident(table_schema) || '.' || quote_ident(table_name) as name
       from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
      order by 1`,
  )
  const texts: string[] = []
  for (const { name } of tables.rows) {
    const { rows } = await pool.query<{ row: string }>(`select t::text as row from ${name} t order by 1`)
    texts.push(`${name}:`, ...rows.map(({ row }) => row))
  }
  return texts.join('\n')
}

async function runOn(url: URL, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  await client.query(statement)
  await client.end()
}
