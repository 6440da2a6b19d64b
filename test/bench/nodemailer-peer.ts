import { createTransport } from 'nodemailer'

/** nodemailer as its own documentation shows a newsletter: a pool of ten, one `sendMail` a reader. */
const [port, letters, bytes] = process.argv.slice(2).map(Number) as [number, number, number]
const transport = createTransport({
  host: '127.0.0.1',
  port,
  pool: true,
  maxConnections: 10,
  maxMessages: Number.POSITIVE_INFINITY,
  ignoreTLS: true,
})
const words = 'Tolv klynger og nettverk slipper i år inn i det nasjonale klyngeprogrammet. '
const html = `<p>${words.repeat(Math.ceil(bytes / Buffer.byteLength(words)))}</p>`.slice(0, bytes - 1_500)

const started = performance.now()
await Promise.all(
  Array.from({ length: letters }, (_, index) =>
    transport.sendMail({
      from: 'Havneby kommune <presse@havneby.example>',
      to: `r${index}@d${index % 50}.example`,
      subject: 'Tolv nye i klyngeprogrammet',
      text: 'Tolv klynger og nettverk slipper inn.',
      html: `${html}<p><a href="https://press.example/unsubscribe/${index}">Meld deg av</a></p>`,
      list: { unsubscribe: { url: `https://press.example/unsubscribe/${index}`, comment: 'x' } },
    }),
  ),
)
process.stdout.write(String(letters / ((performance.now() - started) / 1000)))
transport.close()
