import { Button } from "@/ui/Button";
import { Select } from "@/ui/Field";
import { isFiltering, OUTCOMES, type RequestFilter, WAYS } from "./requests";
import type { Replica } from "./timeline";

interface Props {
  filter: RequestFilter;
  replicas: readonly Replica[];
  /** How many of those that were read are shown. */
  shown: number;
  read: number;
  isWhole: boolean;
  onFilter: (to: Partial<RequestFilter>) => void;
}

const OUTCOME_LABELS: Record<RequestFilter["outcome"], string> = {
  all: "Every outcome",
  answered: "Answered",
  failed: "Failed",
  cancelled: "Caller left",
};
const WAY_LABELS: Record<RequestFilter["way"], string> = { all: "Streamed or not", streamed: "Streamed", whole: "Whole" };

/** Which calls are listed. */
export function RequestFilters({ filter, replicas, shown, read, isWhole, onFilter }: Props) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select
        aria-label="Outcome"
        className="!w-auto"
        value={filter.outcome}
        onChange={(event) => onFilter({ outcome: OUTCOMES.find((one) => one === event.target.value) ?? "all" })}
      >
        {OUTCOMES.map((one) => (
          <option key={one} value={one}>
            {OUTCOME_LABELS[one]}
          </option>
        ))}
      </Select>
      <Select
        aria-label="How it was answered"
        className="!w-auto"
        value={filter.way}
        onChange={(event) => onFilter({ way: WAYS.find((one) => one === event.target.value) ?? "all" })}
      >
        {WAYS.map((one) => (
          <option key={one} value={one}>
            {WAY_LABELS[one]}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Replica"
        className="!w-auto"
        value={filter.replica}
        onChange={(event) => onFilter({ replica: event.target.value })}
      >
        <option value="">Every replica</option>
        {replicas.map((one) => (
          <option key={one.id} value={one.id}>
            {one.id.slice(-4)} · v{one.version}
            {one.endedAt === null ? "" : " · ended"}
          </option>
        ))}
      </Select>
      {isFiltering(filter) && (
        <>
          <Button size="sm" tone="ghost" onClick={() => onFilter({ outcome: "all", way: "all", replica: "" })}>
            Show all
          </Button>
          <span role="status" className="text-ink-3 text-xs tabular-nums">
            {shown} of {read}
            {isWhole ? "" : " so far"}
          </span>
        </>
      )}
    </div>
  );
}
