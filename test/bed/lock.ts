import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Lock {
  release(): Promise<void>
}

/**
 * Takes the machine-wide lock of that name, or answers undefined when a live process has it.
 * It is the name of an abstract unix socket: the kernel frees it with the process, however that ends.
 */
export function tryLock(name: string): Promise<Lock | undefined> {
  const server = createServer().unref()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(`\0nri-userns-${name}`, () =>
      resolve({ release: () => new Promise((released) => server.close(() => released())) }),
    )
  })
}

/** Takes the lock of that name, waiting for it as long as it takes; onWait is called once if there is a wait. */
export async function waitForLock(name: string, onWait: () => void = () => {}): Promise<Lock> {
  for (let turn = 0; ; turn++) {
    const lock = await tryLock(name)
    if (lock) return lock
    if (turn === 0) onWait()
    await sleep(100)
  }
}
