import { useDeferredValue, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { measure } from "@/lib/format";
import { graphql } from "@/lib/graphql";
import { traitsOf } from "@/lib/methods";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote, Skeleton } from "@/ui/Empty";
import { SearchInput } from "@/ui/SearchInput";
import { Status } from "@/ui/Status";
import { Ago } from "@/ui/Time";
import { MOST } from "./view";

const JOBS = graphql(`query JobsToCompare($filter: JobFilter) {
  jobs(first: 30, filter: $filter) { nodes { id outputName status baseModel createdAt method latestMetrics(keys: ["reward", "loss", "rewards/margins"]) { key value } } }
}`);

/** The newest value of the metric that says best how a run of its method does. */
function told({ method, latestMetrics }: { method: string; latestMetrics: readonly { key: string; value: number }[] }): string {
  const { key, label } = traitsOf(method).lead;
  const found = latestMetrics.find((one) => one.key === key);
  return found ? `${label.toLowerCase()} ${measure(found.value)}` : "";
}

/** Pick what to compare from the newest jobs, or those found by name. */
export function Chooser({
  ids,
  onChoose,
  onClose,
}: {
  ids: readonly string[];
  onChoose: (ids: string[]) => void;
  onClose: () => void;
}) {
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<readonly string[]>(ids);
  const asked = useDeferredValue(search.trim());
  const [{ data, error, fetching }] = useQuery({ query: JOBS, variables: { filter: asked ? { search: asked } : null } });
  const jobs = data?.jobs.nodes;
  const toggle = (id: string) => setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title="Runs to compare"
      description={`${chosen.length} of at most ${MOST}`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            tone="solid"
            disabled={chosen.length === 0}
            onClick={() => {
              onChoose([...chosen]);
              onClose();
            }}
          >
            Compare
          </Button>
        </>
      }
    >
      <SearchInput
        label="Find a job"
        placeholder="Search by name or id"
        value={search}
        onChange={setSearch}
        className="mb-2 w-full"
      />
      {error && <ErrorNote>{sentence(error)}</ErrorNote>}
      <ul aria-label="Jobs" aria-busy={fetching} className="h-80 overflow-y-auto">
        {!jobs && !error && [0, 1, 2, 3, 4].map((index) => <Skeleton key={index} className="my-1 h-8" />)}
        {jobs?.map((job) => (
          <li key={job.id}>
            <label className="flex h-9 cursor-pointer items-center gap-3 rounded-md px-2 text-sm hover:bg-hover">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={chosen.includes(job.id)}
                disabled={!chosen.includes(job.id) && chosen.length >= MOST}
                onChange={() => toggle(job.id)}
              />
              <span className="min-w-0 flex-1 truncate font-medium">{job.outputName}</span>
              <span className="text-ink-3 text-xs tabular-nums max-sm:hidden">{told(job)}</span>
              <Status status={job.status} className="w-24 max-sm:hidden" />
              <span className="w-20 text-right text-ink-3 text-xs">
                <Ago at={job.createdAt} />
              </span>
            </label>
          </li>
        ))}
        {jobs?.length === 0 && <li className="py-8 text-center text-ink-3 text-sm">No job is called that.</li>}
      </ul>
    </Dialog>
  );
}
