/**
 * Event files of TensorBoard: TFRecords (a length, its checksum, the bytes, their checksum), each with an `Event` in
 * protobuf's encoding. Fields are numbered as in TensorBoard's event.proto, summary.proto and tensor.proto.
 */
import { appendFileSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { crc32c } from '../files/crc32.js'
import { fileError } from '../files/files.js'
import type { RunEvent } from '../runs/events.js'
import type { ResultRow } from '../runs/result.js'

/** What a summary holds under a name. */
export type TensorBoardValue = { tag: string; scalar: number } | { tag: string; text: string }

/** A file of events that grows with a run, in a folder for TensorBoard; the run's own metrics stay the truth. */
export class TensorBoardLog {
  private readonly path: string
  private epochs = 0

  /** @throws CoppiceError `ERR_FILE` where the folder cannot be made or written to */
  constructor(folder: string, now = Date.now()) {
    this.path = join(folder, `events.out.tfevents.${Math.floor(now / 1000)}.${hostname()}.${process.pid}`)
    try {
      mkdirSync(folder, { recursive: true })
    } catch (error) {
      throw fileError('cannot make the folder', folder, error)
    }
    this.append(
      message((event) =>
        event
          .tag(1, WireType.Bit64)
          .double(now / 1000)
          .tag(3, WireType.LengthDelimited)
          .string('brain.Event:2'),
      ),
    )
  }

  /** The recipe of the run, as text. */
  recipe(text: string): void {
    this.write(0, [{ tag: 'recipe', text: `\`\`\`json\n${text}\n\`\`\`` }])
  }

  /** An event of the run: losses and accuracies over the epochs, then over the steps of each branch. */
  event(event: RunEvent): void {
    const numbers = (prefix: string, values: Readonly<Record<string, unknown>>): TensorBoardValue[] =>
      Object.entries(values).flatMap(([name, value]) =>
        typeof value === 'number' ? [{ tag: `${prefix}/${name}`, scalar: value }] : [],
      )
    const { loss, accuracy, learningRate, sparsity } = event
    if (event.event === 'epoch') {
      this.epochs = Number(event.epoch)
      this.write(this.epochs, numbers('pre-training', { loss, accuracy, learningRate }))
    } else if (event.event === 'step') {
      this.write(Number(event.step), numbers(String(event.branch), { loss, accuracy, sparsity }))
    } else if (event.event === 'evaluation') {
      const row = event as unknown as ResultRow
      const proofs = (row.verifications ?? []).map(({ verifier, vra }) => [
        `VRA by ${verifier.kind}`,
        vra.value,
      ])
      const measured = { benign: row.accuracy.value, ERA: row.era.value, ...Object.fromEntries(proofs) }
      this.write(this.epochs, numbers(`evaluation/${row.name}`, measured))
    }
  }

  private write(step: number, values: readonly TensorBoardValue[]): void {
    this.append(
      message((event) => {
        event.tag(1, WireType.Bit64).double(Date.now() / 1000)
        event.tag(2, WireType.Varint).int64(step)
        event.tag(5, WireType.LengthDelimited).bytes(
          message((summary) => {
            for (const value of values) summary.tag(1, WireType.LengthDelimited).bytes(encoded(value))
          }),
        )
      }),
    )
  }

  private append(bytes: Uint8Array): void {
    try {
      appendFileSync(this.path, record(bytes))
    } catch (error) {
      throw fileError('cannot write', this.path, error)
    }
  }
}

const message = (fill: (writer: BinaryWriter) => unknown): Uint8Array => {
  const writer = new BinaryWriter()
  fill(writer)
  return writer.finish()
}

/** The number of strings among the types of tensors. */
const DT_STRING = 7

const encoded = (value: TensorBoardValue): Uint8Array =>
  message((writer) => {
    writer.tag(1, WireType.LengthDelimited).string(value.tag)
    if ('scalar' in value) return writer.tag(2, WireType.Bit32).float(value.scalar)
    const text = message((tensor) =>
      tensor.tag(1, WireType.Varint).int32(DT_STRING).tag(8, WireType.LengthDelimited).string(value.text),
    )
    const plugin = message((data) => data.tag(1, WireType.LengthDelimited).string('text'))
    writer.tag(8, WireType.LengthDelimited).bytes(text)
    return writer
      .tag(9, WireType.LengthDelimited)
      .bytes(message((data) => data.tag(1, WireType.LengthDelimited).bytes(plugin)))
  })

/** A TFRecord. */
const record = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([length, masked(length), bytes, masked(bytes)])
}

/** Checksums are turned and shifted, so that one of data that holds checksums is no weaker. */
const masked = (bytes: Uint8Array): Buffer => {
  const crc = crc32c(bytes)
  const result = Buffer.alloc(4)
  result.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0)
  return result
}
