import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'

/** Longer than containerd takes for anything that goes well, short enough for a test that hangs. */
const DEADLINE_MS = 60_000

/** gRPC over containerd's unix socket. */
export class CriChannel {
  readonly #client: Client

  constructor(socket: string) {
    // Go's server refuses the authority that grpc-js makes of a unix socket's path.
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
    })
  }

  /** Calls a method. Throws an error that starts with the method's name and goes on as the runtime has it. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    deadlineMs = DEADLINE_MS,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<MessageShape<I>, MessageShape<O>>(
        `/${method.parent.typeName}/${method.name}`,
        (message) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, request),
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null, answer) =>
          error ? reject(new Error(`${method.name}: ${error.details}`, { cause: error })) : resolve(answer!),
      )
    })
  }

  close(): void {
    this.#client.close()
  }
}
