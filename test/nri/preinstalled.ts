import { NriConnection } from '../../src/nri/connection.js'
import { preinstalled } from '../../src/nri/identity.js'

// A pre-installed plugin, as the runtime starts it: it tells what happens on stdout and exits at the end.
const nothing = async () => {}
const say = (...words: string[]): void => console.log(...words)

const connection = new NriConnection({
  ...preinstalled(process.env)!,
  handlers: {
    configured: () => {},
    synchronize: async (pods) => {
      if (!pods) say('no list')
      if (process.env.FAIL) throw new Error('not now')
    },
    runPodSandbox: async (pod) => say('run', pod.name),
    stopPodSandbox: nothing,
    removePodSandbox: nothing,
  },
  onState: (state, reason = '') => say(state, reason),
  onProblem: (error) => say(error.message),
})
connection.start()
