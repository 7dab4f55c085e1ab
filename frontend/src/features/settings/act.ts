import type { CombinedError } from "urql";
import { sentence } from "@/lib/errors";
import { toast } from "@/ui/Toast";

interface Answer<Data> {
  data?: Data | undefined;
  error?: CombinedError | undefined;
}

/** Say what came of a write: its refusal in the server's words, or what was done. True where it was. */
export function told<Data>(answer: Answer<Data>, errors: (data: Data) => readonly { message: string }[], done: string): boolean {
  const refused =
    answer.data === undefined
      ? ""
      : errors(answer.data)
          .map((one) => one.message)
          .join(" ");
  if (answer.error || refused) {
    toast(refused || (answer.error && sentence(answer.error)), { mood: "bad" });
    return false;
  }
  toast(done);
  return true;
}
