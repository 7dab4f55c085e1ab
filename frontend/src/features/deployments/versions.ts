/** Going back to what was served before. */
import type { UpdateInput } from "./actions";
import type { Version } from "./queries";

/** What an update to a version's model is asked with; null where it cannot be served again. */
export function returnTo(
  version: Pick<Version, "status" | "source" | "model" | "revision" | "checkpoint">,
): Pick<UpdateInput, "source" | "model" | "revision"> | null {
  if (version.status === "FAILED" || version.source === "ADOPTED") return null;
  if (version.source === "HUGGINGFACE") return { source: "HUGGINGFACE", model: version.model, revision: version.revision };
  // The very checkpoint, whatever its job has come to since; one that is gone can be had no more.
  return version.checkpoint ? { source: "TRAINING_JOB", model: version.checkpoint.id } : null;
}
