import { parentPort } from 'node:worker_threads'
import { Performer } from './perform.js'
import type { Reply, Request } from './thread.js'

const port = parentPort
if (!port) throw new Error('this is the kernel thread, to be started by src/kernel/thread.ts')

const performer = new Performer()

function reply({ id, question }: Request): Reply {
  try {
    if ('volumes' in question) return { id, support: performer.probe(question.volumes, question.range) }
    performer.perform(question.works)
    return { id }
  } catch (error) {
    return { id, error: (error as Error).message }
  }
}

port.on('message', (request: Request) => port.postMessage(reply(request)))
port.postMessage('ready')
