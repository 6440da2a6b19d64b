import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { needProgram } from '../rig/programs.ts'

/** Letters per second of Postfix's own source, connections kept, ten sessions to each sink. */
export async function rateOfSource(ports: readonly number[], letters: number, bytes: number): Promise<number> {
  const program = needProgram('smtp-source', 'postfix')
  const started = performance.now()
  await Promise.all(
    ports.map((port) =>
      run(program, [
        '-d',
        '-s',
        '10',
        '-m',
        String(Math.ceil(letters / ports.length)),
        '-l',
        String(bytes),
        `127.0.0.1:${port}`,
      ]),
    ),
  )
  return letters / ((performance.now() - started) / 1000)
}

/** Letters per second of nodemailer's pool, in a process of its own, as a user would write it: compose and send. */
export async function rateOfNodemailer(port: number, letters: number, bytes: number): Promise<number> {
  const told = await run(process.execPath, [
    join(import.meta.dirname, 'nodemailer-peer.js'),
    String(port),
    String(letters),
    String(bytes),
  ])
  return Number(told)
}

const run = (program: string, options: readonly string[]) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] })
    let told = ''
    child.stdout.on('data', (text: Buffer) => {
      told += text.toString()
    })
    child.once('exit', (code) => (code === 0 ? resolve(told) : reject(new Error(`${program} ended with ${code}`))))
  })
