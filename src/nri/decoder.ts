/** A frame is a header of fixed length, then a body whose length the header tells. */
export interface FrameFormat {
  /** As it is called in errors. */
  readonly protocol: string
  /** bytes */
  readonly headerLength: number
  /** bytes */
  readonly maxBodyLength: number
  bodyLength(header: Buffer): number
}

/** Cuts a stream of bytes, however it is split, into frames. Of no use any more once push has thrown. */
export class FrameDecoder {
  readonly #format: FrameFormat
  readonly #deliver: (header: Buffer, body: Buffer) => void
  #header: Buffer
  #body: Buffer | undefined
  #filled = 0

  constructor(format: FrameFormat, deliver: (header: Buffer, body: Buffer) => void) {
    this.#format = format
    this.#deliver = deliver
    this.#header = Buffer.allocUnsafe(format.headerLength)
  }

  /** Whether the bytes so far end inside a frame. */
  get midFrame(): boolean {
    return this.#body !== undefined || this.#filled > 0
  }

  /**
   * Delivers the frames that these bytes complete.
   * @throws Error when a header announces a body longer than the format allows; and what deliver throws.
   */
  push(bytes: Uint8Array): void {
    let rest = bytes
    for (;;) {
      const part = this.#body ?? this.#header
      const taken = rest.subarray(0, part.length - this.#filled)
      part.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled < part.length) return
      this.#filled = 0
      if (this.#body === undefined) {
        this.#body = Buffer.allocUnsafe(this.#bodyLength())
      } else {
        const header = this.#header
        const body = this.#body
        this.#header = Buffer.allocUnsafe(this.#format.headerLength)
        this.#body = undefined
        this.#deliver(header, body)
      }
    }
  }

  #bodyLength(): number {
    const { protocol, maxBodyLength } = this.#format
    const length = this.#format.bodyLength(this.#header)
    if (length > maxBodyLength) {
      throw new Error(
        `A ${protocol} frame announces ${length} bytes, more than the ${maxBodyLength} that ${protocol} allows: ` +
          'either the peer does not speak NRI, or one message of it is too long.',
      )
    }
    return length
  }
}
