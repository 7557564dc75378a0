import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { FrameDecoder } from './decoder.js'
import { type FrameHeader, FrameType, parseHeader, ttrpcFormat, ttrpcFrame } from './frame.js'
import { RequestSchema, ResponseSchema, StatusSchema } from './ttrpc_pb.js'

/** gRPC's status codes, as far as they are used here. */
export const Code = { ok: 0, unknown: 2, invalidArgument: 3, unimplemented: 12 } as const

/** What a call was answered with instead of a result. */
export class StatusError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** The methods of a service, each from request to response. */
export type Implementation<S extends DescService> = {
  readonly [M in keyof S['method']]: (
    request: MessageShape<S['method'][M]['input']>,
  ) => Promise<MessageInitShape<S['method'][M]['output']>>
}

type AnyHandler = (request: MessageShape<DescMessage>) => Promise<MessageInitShape<DescMessage>>

// A status echoes names and errors that come from elsewhere; it must never outgrow a frame.
const MAX_STATUS_LENGTH = 1024

/** Answers the unary calls of one connection. */
export class TtrpcServer<S extends DescService> {
  readonly #service: S
  readonly #implementation: Implementation<S>
  readonly #send: (bytes: Uint8Array) => void
  readonly #decoder = new FrameDecoder(ttrpcFormat, (header, body) => {
    const frame = parseHeader(header)
    // Data belongs to streams, which were refused at their request; types to come are to be ignored.
    if (frame.type === FrameType.request) void this.#answer(frame, body)
  })

  constructor(service: S, implementation: Implementation<S>, send: (bytes: Uint8Array) => void) {
    this.#service = service
    this.#implementation = implementation
    this.#send = send
  }

  /** @throws Error when the bytes are no ttrpc. */
  receive(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
  }

  async #answer(frame: FrameHeader, body: Uint8Array): Promise<void> {
    const response = create(ResponseSchema)
    try {
      response.payload = await this.#call(frame, body)
    } catch (error) {
      const code = error instanceof StatusError ? error.code : Code.unknown
      const message = (error instanceof Error ? error.message : String(error)).slice(0, MAX_STATUS_LENGTH)
      response.status = create(StatusSchema, { code, message })
    }
    const header = { streamID: frame.streamID, type: FrameType.response, flags: 0 }
    this.#send(ttrpcFrame(header, toBinary(ResponseSchema, response)))
  }

  async #call({ streamID, flags }: FrameHeader, body: Uint8Array): Promise<Uint8Array> {
    if (streamID % 2 === 0) throw new StatusError(Code.invalidArgument, 'A stream id of a client is odd.')
    const request = decode(RequestSchema, body, 'The request')
    const name = `${request.service}/${request.method}`
    const method = this.#method(request.service, request.method)
    if (!method) throw new StatusError(Code.unimplemented, `The method ${name} is not implemented here.`)
    if (flags !== 0) throw new StatusError(Code.unimplemented, `The method ${name} does not take streams.`)
    const input = decode(method.input, request.payload, `The payload of ${name}`)
    const handler = this.#implementation[method.localName as keyof S['method']] as unknown as AnyHandler
    return toBinary(method.output, create(method.output, await handler(input)))
  }

  #method(service: string, name: string): DescMethod | undefined {
    return service === this.#service.typeName
      ? this.#service.methods.find((method) => method.name === name)
      : undefined
  }
}

function decode<M extends DescMessage>(schema: M, bytes: Uint8Array, what: string): MessageShape<M> {
  try {
    return fromBinary(schema, bytes)
  } catch (error) {
    const reason = (error as Error).message
    throw new StatusError(Code.invalidArgument, `${what} is no ${schema.typeName} message: ${reason}.`)
  }
}

interface PendingCall {
  resolve(payload: Uint8Array): void
  reject(error: Error): void
}

/** Makes unary calls on one connection. */
export class TtrpcClient {
  readonly #send: (bytes: Uint8Array) => void
  readonly #pending = new Map<number, PendingCall>()
  readonly #decoder = new FrameDecoder(ttrpcFormat, (header, body) => this.#settle(parseHeader(header), body))
  #nextStreamID = 1
  #closed: Error | undefined

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send
  }

  /** @throws Error when the bytes are no ttrpc. */
  receive(bytes: Uint8Array): void {
    this.#decoder.push(bytes)
  }

  /**
   * Rejects with a StatusError when the peer answers with one, with another Error when there is no answer.
   * @param timeout milliseconds
   */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    message: MessageInitShape<I>,
    timeout: number,
  ): Promise<MessageShape<O>> {
    if (this.#closed) throw this.#closed
    const request = create(RequestSchema, {
      service: method.parent.typeName,
      method: method.name,
      payload: toBinary(method.input, create(method.input, message)),
      timeoutNano: BigInt(timeout) * 1_000_000n,
    })
    const streamID = this.#nextStreamID
    const header = { streamID, type: FrameType.request, flags: 0 }
    const frame = ttrpcFrame(header, toBinary(RequestSchema, request))
    this.#nextStreamID += 2
    const payload = await this.#payload(streamID, frame, method.name, timeout)
    return decode(method.output, payload, `The answer to ${method.name}`)
  }

  /** Rejects the calls that are under way, and those to come. */
  close(reason: Error): void {
    this.#closed ??= reason
    for (const call of this.#pending.values()) call.reject(this.#closed)
  }

  async #payload(streamID: number, frame: Buffer, method: string, timeout: number): Promise<Uint8Array> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${method} was not answered in ${timeout} ms.`)), timeout)
        this.#pending.set(streamID, { resolve, reject })
        this.#send(frame)
      })
    } finally {
      clearTimeout(timer)
      this.#pending.delete(streamID)
    }
  }

  #settle({ streamID, type }: FrameHeader, body: Buffer): void {
    const call = this.#pending.get(streamID)
    // An answer after the timeout has nobody left who waits for it.
    if (!call) return
    try {
      if (type !== FrameType.response) throw new Error('A unary call was answered with a stream.')
      const { status, payload } = decode(ResponseSchema, body, 'The answer')
      if (status && status.code !== Code.ok) throw new StatusError(status.code, status.message)
      call.resolve(payload)
    } catch (error) {
      call.reject(error as Error)
    }
  }
}
