import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect, type Server } from 'node:net'

/** sun_path of unix(7) has 108 bytes, the last of which ends the string. */
const MAX_PATH_BYTES = 107

/**
 * Listens on a unix socket that only root can connect to. The socket of a daemon that is gone is replaced.
 * @throws Error with a sentence when another daemon listens there, or for a path that no socket can have
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  // libuv would cut it short without a word, and listen somewhere else.
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new Error(`${path} is longer than the ${MAX_PATH_BYTES} bytes that the path of a socket can have`)
  if (await isServed(path))
    throw new Error(`another daemon listens on ${path}: stop it first, systemctl stop nri-userns`)
  await rm(path, { force: true })
  // bind(2) makes the socket with the mode that the umask leaves, and listen() binds before it returns: at no moment
  // could anyone else have connected.
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
}

async function isServed(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
