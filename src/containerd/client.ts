import { connect } from 'node:net'
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { Containers } from './containers_pb.js'
import { Store } from './sandboxes_pb.js'

export interface ContainerdClient {
  readonly containers: Client<typeof Containers>
  /** containerd 2's. */
  readonly sandboxes: Client<typeof Store>
  close(): void
}

/** Of every call: where CRI has its pods, and how long a pod may wait. */
export const OPTIONS = { headers: { 'containerd-namespace': 'k8s.io' }, timeoutMs: 2000 }

/** The name is nowhere looked up: a unix socket is connected to. Go's server refuses an authority that is a path. */
const BASE_URL = 'http://localhost'

/** gRPC over containerd's socket: it connects at the first call, and anew when containerd has been away. */
export function connectTo(socketPath: string): ContainerdClient {
  const sessions = new Http2SessionManager(BASE_URL, undefined, {
    createConnection: () => connect(socketPath),
  })
  const transport = createGrpcTransport({ baseUrl: BASE_URL, sessionManager: sessions })
  return {
    containers: createClient(Containers, transport),
    sandboxes: createClient(Store, transport),
    close: () => sessions.abort(),
  }
}

/** What was asked for isn't there, or this containerd doesn't have the method. */
export const isUnknown = (error: unknown): boolean =>
  [Code.NotFound, Code.Unimplemented].includes(ConnectError.from(error).code)

/** Why a call failed, without its code. */
export function reasonOf(error: unknown): string {
  const { code, rawMessage } = ConnectError.from(error)
  return code === Code.DeadlineExceeded ? `no answer in ${OPTIONS.timeoutMs / 1000} seconds` : rawMessage
}
