import { parentPort } from 'node:worker_threads'
import { Performer } from './perform.js'
import type { Reply, Request } from './thread.js'

const port = parentPort
if (!port) throw new Error('this is the kernel thread, to be started by src/kernel/thread.ts')

const performer = new Performer()

function reply({ id, works }: Request): Reply {
  try {
    performer.perform(works)
    return { id }
  } catch (error) {
    return { id, error: (error as Error).message }
  }
}

port.on('message', (request: Request) => port.postMessage(reply(request)))
port.postMessage('ready')
