// The process in which MJML lives. Plain JavaScript, because tests start it from the sources and Node.js 20 runs no
// TypeScript. It has a letter's layout from its parent, never a value of a reader or publisher, and no settings at all.
import './no-http-client.mjs'
import mjml from 'mjml'

const options = { ignoreIncludes: true, keepComments: false, fonts: {}, validationLevel: 'strict' }

process.on('message', async (source) => {
  process.send(await answerTo(source), () => {
    // A parent that is gone needs no answer, and what follows is the end of this process too.
  })
})

async function answerTo(source) {
  try {
    const { html } = await mjml(source, options)
    return { html }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}

// Its parent lets it go by cutting the channel, and the kernel cuts it when the parent is gone, however that ended.
process.once('disconnect', () => process.exit())

// A supervisor or a terminal signals the whole group; the parent may still have a letter to prepare before it ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
