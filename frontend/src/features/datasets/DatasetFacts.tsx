import { bytes, count, dateTime } from "@/lib/format";
import { Copyable } from "@/ui/Copy";
import { Skeleton } from "@/ui/Empty";
import { Facts, Panel } from "@/ui/Panel";
import { Ago } from "@/ui/Time";
import type { OneDataset, Statistics } from "./documents";
import { clipsText, partly, servedBy } from "./fit";
import { sourcePlace } from "./source";

function Repeated({ statistics }: { statistics: Statistics | undefined }) {
  if (!statistics) return <Skeleton className="my-1 h-3 w-32" />;
  const repeated = Number(statistics.duplicatePrompts ?? 0);
  if (repeated === 0) return "no prompt occurs twice";
  return (
    <span className="text-warn">
      {count(repeated)} {repeated === 1 ? "prompt" : "prompts"} occurred before
    </span>
  );
}

/** For which methods it is of use. */
function Serves({ fits, rows }: { fits: NonNullable<Statistics["methods"]>; rows: number }) {
  const served = servedBy(fits, rows);
  return (
    <>
      {served.length > 0 ? served.join(", ") : "no method with all of its rows"}
      {partly(fits, rows).map((text) => (
        <span key={text} className="block text-warn text-xs">
          {text}
        </span>
      ))}
    </>
  );
}

/** What a dataset is. */
export function DatasetFacts({ dataset, statistics }: { dataset: OneDataset; statistics: Statistics | undefined }) {
  const isRead = dataset.rowCount !== null;
  const place = sourcePlace(dataset);
  const clips = Number(statistics?.videoRows ?? 0);
  return (
    <Panel title="About">
      <Facts
        items={[
          ["Rows", dataset.rowCount === null ? "not read yet" : count(dataset.rowCount)],
          isRead && ["Repeated", <Repeated key="repeated" statistics={statistics} />],
          statistics?.methods && dataset.rowCount !== null
            ? ["Serves", <Serves key="serves" fits={statistics.methods} rows={Number(dataset.rowCount)} />]
            : null,
          clips > 0 && ["Clips", statistics?.clips ? clipsText(statistics.clips) : count(clips)],
          isRead && ["Size", `${bytes(dataset.sizeBytes)} as JSONL`],
          place !== null && ["Source", <Copyable key="place" text={place} />],
          dataset.sha256 !== "" && ["SHA-256", <Copyable key="sha" text={dataset.sha256} shown={dataset.sha256.slice(0, 16)} />],
          [
            "Created",
            <span key="created" title={dateTime(dataset.createdAt)}>
              <Ago at={dataset.createdAt} />
            </span>,
          ],
        ]}
      />
    </Panel>
  );
}
