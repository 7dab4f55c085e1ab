/** Ids say what they are of: `job_…`, `dep_…`, `ds_…`, `rf_…`, `batch_…`, `eval_…`, `run_…`. */

const ROOMS: Record<string, string> = {
  job: "jobs",
  dep: "deployments",
  ds: "datasets",
  rf: "rewards",
  batch: "batches",
  eval: "evals",
  run: "evals/runs",
};
const ID = /^(job|dep|ds|rf|batch|eval|run)_[0-9a-z]{20,32}$/;

/** The address of a thing, by what its id begins with; null for ids of things that have no screen. */
export function addressOf(id: string): string | null {
  const room = ROOMS[id.slice(0, id.indexOf("_"))];
  return room ? `/${room}/${id}` : null;
}

/** The id in what was pasted, such as an address of this dashboard or a line of a log. */
export function pastedId(text: string): string | null {
  const words = text.trim().split(/[^0-9a-z_]+/);
  return words.find((word) => ID.test(word)) ?? null;
}
