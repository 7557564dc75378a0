import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { checkResult, decodeResponse, encode, type Method, type Result } from './protocol.js'

/** Ten times a list of every range that 32 bits of ids hold. */
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024

const LOG_HINT = 'see journalctl -u nri-userns'

/**
 * Asks the daemon one question.
 * @param timeoutMs milliseconds until the answer must be there
 * @throws Error with a sentence: the daemon isn't there, or silent, or refuses, or is of another version
 */
export async function callAdmin<M extends Method>(
  socketPath: string,
  method: M,
  timeoutMs = 5000,
): Promise<Result<M>> {
  const bytes = await exchange(socketPath, encode({ id: 1, method, params: {} }), timeoutMs)
  const result = understand(socketPath, method, bytes)
  if ('error' in result) throw new Error(result.error)
  return result.value
}

/** Sends one message and waits for the next. */
async function exchange(socketPath: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
  const socket = new WebSocket('ws://localhost', {
    createConnection: () => connect(socketPath),
    maxPayload: MAX_RESPONSE_BYTES,
    perMessageDeflate: false,
  })
  let timer: NodeJS.Timeout | undefined
  const answer = new Promise<Buffer>((resolve, reject) => {
    const fail = (sentence: string) => reject(new Error(sentence))
    timer = setTimeout(
      () => fail(`the daemon on ${socketPath} did not answer within ${timeoutMs / 1000} s: ${LOG_HINT}`),
      timeoutMs,
    )
    socket.on('open', () => socket.send(message))
    socket.on('message', (bytes: Buffer) => resolve(bytes))
    socket.on('error', (error) => fail(connectionFailure(socketPath, error)))
    socket.on('close', (_, reason) => {
      const why = reason.length ? ` (${reason})` : ''
      fail(`the daemon on ${socketPath} ended the connection without an answer${why}: ${LOG_HINT}`)
    })
  })
  return answer.finally(() => {
    clearTimeout(timer)
    socket.terminate()
  })
}

function connectionFailure(socketPath: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return `the daemon does not answer on ${socketPath}: is it running? systemctl status nri-userns`
  }
  if (code === 'EACCES' || code === 'EPERM') return `${socketPath} is for root only: run this as root`
  if (code === 'ECONNRESET') return `the daemon on ${socketPath} went away before it answered: ${LOG_HINT}`
  return `${socketPath} is not the admin socket of nri-userns: ${message}`
}

function understand<M extends Method>(
  socketPath: string,
  method: M,
  bytes: Buffer,
): { error: string } | { value: Result<M> } {
  try {
    const response = decodeResponse(bytes)
    return 'error' in response ? response : { value: checkResult(method, response.result) }
  } catch (error) {
    throw new Error(
      `the daemon on ${socketPath} answers in a way unknown to this program (${(error as Error).message}): ` +
        'are both of one version? systemctl restart nri-userns',
      { cause: error },
    )
  }
}
