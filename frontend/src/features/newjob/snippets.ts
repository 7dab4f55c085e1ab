/** Exactly this job from a program. */
import type { Json } from "@/lib/graphql";
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";
import { type Body, toInput } from "./draft";
import { toToml } from "./toml";

export function jobSnippets(body: Body): Snippets {
  const sent = body as unknown as Json;
  return {
    curl: curl("POST", "/v1/training_jobs", sent),
    python: pythonCall("POST", "/v1/training_jobs", sent),
    graphql: operation(
      `mutation Train($input: TrainingJobInput!) {
  createTrainingJob(input: $input) {
    errors { code message path hint }
    job { id status }
  }
}`,
      { input: toInput(body) as unknown as Json },
    ),
    cli: `cat > job.toml <<'TOML'\n${toToml(body)}TOML\n\nburnish jobs create -f job.toml --dry-run\nburnish jobs create -f job.toml --wait`,
  };
}
