/** Reading a chosen file here, before and after the server does: what it is by its bytes, its first rows, single lines of it. */

import { lines } from "@/lib/lines";

export type Packing = "none" | "gzip" | "zstd" | "archive";

const startsWith = (head: Uint8Array, ...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);

/** What a file is, told by its bytes as the server does. */
export async function packingOf(file: Blob): Promise<Packing> {
  const head = new Uint8Array(await file.slice(0, 512).arrayBuffer());
  if (startsWith(head, 0x1f, 0x8b)) return "gzip";
  if (startsWith(head, 0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (startsWith(head, 0x50, 0x4b)) return "archive";
  if (new TextDecoder("latin1").decode(head.slice(257, 262)) === "ustar") return "archive";
  return "none";
}

/** The rows as a stream of bytes; null where only the server can unpack them. */
export async function rowsOf(file: Blob): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null> {
  const packing = await packingOf(file);
  if (packing === "none") return file.stream();
  return packing === "gzip" ? file.stream().pipeThrough(new DecompressionStream("gzip")) : null;
}

/** The texts of some lines, by number; those that cannot be read here are missing. */
export async function readLines(file: Blob, wanted: readonly number[]): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  const last = Math.max(...wanted, 0);
  const stream = await rowsOf(file);
  if (!stream) return found;
  try {
    for await (const { number, text, isCut } of lines(stream)) {
      if (wanted.includes(number)) found.set(number, isCut ? `${text}…` : text);
      if (number >= last) break;
    }
  } catch {
    // The file was changed or taken away meanwhile: the problems are shown without their text.
  }
  return found;
}
