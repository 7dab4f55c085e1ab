/** A file of lines, as it is read. */

const SHOWN_CHARS = 4000;

/** Lines as they come, each with its number and cut after `maxChars`, without ever holding more than a piece and a line. */
export async function* lines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  maxChars = SHOWN_CHARS,
): AsyncGenerator<{ number: number; text: string; isCut: boolean }> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let number = 1;
  let text = "";
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = value.split("\n");
      for (const [index, part] of parts.entries()) {
        if (index > 0) {
          yield { number, text: text.replace(/\r$/, ""), isCut: size > maxChars };
          number += 1;
          text = "";
          size = 0;
        }
        size += part.length;
        if (text.length < maxChars) text += part.slice(0, maxChars - text.length);
      }
    }
    if (size > 0) yield { number, text: text.replace(/\r$/, ""), isCut: size > maxChars };
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
