/** A file to the platform: a place for it, its bytes, and the file that they make. */
import type { Client } from "urql";
import { sentence, type UserError } from "@/lib/errors";
import { newKey } from "@/lib/idempotency";
import { putFile, type Sent } from "@/lib/upload";
import { FileMutation, UploadMutation } from "../actions";

export class Refused extends Error {
  hint: string | undefined;
  constructor(message: string, hint?: string | null) {
    super(message);
    this.hint = hint ?? undefined;
  }
}

const refused = (errors: readonly UserError[] | undefined): Refused =>
  new Refused(errors?.map((one) => one.message).join(" ") || "The server made nothing.", errors?.find((one) => one.hint)?.hint);

/** Send a file of requests and return its id; Refused or UploadFailed with what went wrong. */
export async function sendFile(
  client: Client,
  file: File,
  on: { signal: AbortSignal; sent: (sent: Sent) => void },
): Promise<string> {
  const room = await client.mutation(UploadMutation, { input: { idempotencyKey: newKey() } }).toPromise();
  if (room.error) throw new Refused(sentence(room.error));
  const upload = room.data?.createUpload.upload;
  if (!upload) throw refused(room.data?.createUpload.errors);
  await putFile(upload.url, file, { signal: on.signal, onProgress: on.sent });
  const input = { uploadId: upload.id, filename: file.name, purpose: "BATCH" as const, idempotencyKey: newKey() };
  const { data, error } = await client.mutation(FileMutation, { input }).toPromise();
  if (error) throw new Refused(sentence(error));
  if (!data?.createFile.file) throw refused(data?.createFile.errors);
  return data.createFile.file.id;
}
