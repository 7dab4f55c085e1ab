import { count, counted } from "@/lib/format";
import { useUrlState } from "@/lib/url";
import { cx } from "@/ui/cx";
import { Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import type { Group } from "./causes";
import { percent } from "./figures";
import { VIEW } from "./view";

interface Props {
  groups: readonly Group[] | undefined;
  names: ReadonlyMap<string, string>;
}

/** Why lines failed; a press shows just these in the table below. */
export function Causes({ groups, names }: Props) {
  const [view, setView] = useUrlState(VIEW);
  return (
    <Panel title="Why lines failed" flush>
      {!groups && <Skeleton className="m-3 h-20" />}
      {groups && (
        <ul className="divide-y divide-line">
          {groups.map((group) => (
            <Cause
              key={group.code}
              group={group}
              names={names}
              chosen={view.code === group.code && view.code !== "" ? view.deployment || "all" : null}
              onChoose={(deployment) => {
                const same = view.code === group.code && view.deployment === deployment;
                setView(same ? { show: "all", code: "", deployment: "" } : { show: "failed", code: group.code, deployment });
              }}
            />
          ))}
        </ul>
      )}
    </Panel>
  );
}

interface CauseProps {
  group: Group;
  names: ReadonlyMap<string, string>;
  /** Whether the table shows it: all of it, or of one deployment. */
  chosen: string | null;
  onChoose: (deployment: string) => void;
}

function Cause({ group, names, chosen, onChoose }: CauseProps) {
  const { text, code, share, sample } = group;
  return (
    <li className={cx("flex flex-col gap-1 px-3 py-2.5", chosen !== null && "bg-selected")}>
      <button
        type="button"
        aria-pressed={chosen === "all"}
        title="Show these lines alone"
        onClick={() => onChoose("")}
        className="flex w-full flex-wrap items-center gap-x-3 gap-y-1 rounded-sm text-left hover:underline"
      >
        <span className="font-medium text-sm">{text}</span>
        {code && <span className="font-mono text-2xs text-ink-3">{code}</span>}
        <span className="flex-1" />
        <span aria-hidden className="h-1.5 w-24 overflow-hidden rounded-full bg-hover max-sm:hidden">
          <span className="block h-full bg-bad-solid" style={{ width: `${share * 100}%` }} />
        </span>
        <span className="min-w-20 text-right text-sm tabular-nums">
          {counted(group.count, "line")} <span className="text-ink-3 text-xs">{percent(share, 1)}</span>
        </span>
      </button>
      <p className="truncate text-ink-2 text-xs" title={sample.message ?? undefined}>
        <span className="text-ink-3">line {count(sample.line)}: </span>
        {sample.message ?? (sample.statusCode === null ? "It was not answered." : `It was answered with ${sample.statusCode}.`)}
      </p>
      {(group.of.length > 1 || group.of.some((one) => one.deploymentId !== null)) && (
        <p className="flex flex-wrap gap-x-3 gap-y-1 text-ink-3 text-xs">
          {group.of.map(({ deploymentId, count: lines }) => (
            <button
              key={deploymentId ?? ""}
              type="button"
              disabled={deploymentId === null || group.of.length === 1}
              aria-pressed={chosen === deploymentId}
              onClick={() => onChoose(deploymentId ?? "")}
              className="rounded-sm enabled:hover:underline aria-pressed:font-semibold aria-pressed:text-ink"
            >
              {deploymentId === null ? "no deployment" : (names.get(deploymentId) ?? `…${deploymentId.slice(-8)}`)}
              {group.of.length > 1 && ` ${count(lines)}`}
            </button>
          ))}
        </p>
      )}
    </li>
  );
}
