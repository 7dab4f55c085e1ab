/** A file to the platform: a place for it, its bytes, and the file of them. */
import type { Client } from "urql";
import type { Sent } from "@/lib/upload";

export class Refused extends Error {
  hint: string | undefined;
  constructor(message: string, hint?: string | null) {
    super(message);
    this.hint = hint ?? undefined;
  }
}

export async function sendFile(
  _client: Client,
  _file: File,
  _on: { signal: AbortSignal; sent: (sent: Sent) => void },
): Promise<string> {
  throw new Refused("not yet");
}
