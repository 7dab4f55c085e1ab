import { Link } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { useConnection, useLive } from "@/lib/live";
import { Skeleton } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Ago } from "@/ui/Time";
import { line, type Told, tell } from "./activity";
import { ActivitySubscription, type Home } from "./queries";

const SHOWN = 14;

/** What happens in the account, as it happens. `onNews` is told after the first batch, which is what has been. */
export function Activity({ home, onNews }: { home: Home | undefined; onNews: () => void }) {
  const [told, setTold] = useState<readonly Told[]>();
  const [all, setAll] = useState(false);
  const begun = useRef(false);
  const { state, reason } = useLive("activity", {
    document: ActivitySubscription,
    variables: {},
    frame: (result) => result.activity,
    onFrames(frames) {
      const news = frames.flatMap((frame) => (frame.__typename === "ActivityBatch" ? frame.events : []));
      setTold((was) => tell(was ?? [], news));
      if (begun.current && news.length > 0) onNews();
      begun.current = true;
    },
  });
  const names = useMemo(
    () =>
      new Map([
        ...(home?.names.nodes ?? []).map((job) => [job.id, job.outputName] as const),
        ...(home?.deploymentNames.nodes ?? []).map((one) => [one.id, one.name] as const),
      ]),
    [home],
  );
  const quiet = useQuiet() && !told?.length;
  return (
    <Panel title="Activity" flush>
      {state === "failed" && <p className="px-3 py-4 text-bad text-sm">{reason}</p>}
      {quiet && <p className="px-3 py-6 text-ink-3 text-sm">What happens here will be listed as it happens.</p>}
      {told === undefined && !quiet && state !== "failed" && (
        <div className="flex flex-col gap-2.5 p-3">
          {["a", "b", "c", "d", "e", "f"].map((name) => (
            <Skeleton key={name} className="h-4" />
          ))}
        </div>
      )}
      <ul aria-label="Activity" className="py-1.5">
        {told?.slice(0, all ? undefined : SHOWN).map((event) => {
          const { noun, name, what, detail, to } = line(event, names);
          return (
            <li key={event.cursor} className="flex items-baseline gap-2 px-3 py-1 text-xs">
              <span className="min-w-0 flex-1 text-ink-2">
                <span className="text-ink-3">{noun} </span>
                {to ? (
                  <Link to={to} className="break-words font-medium text-ink hover:underline">
                    {name}
                  </Link>
                ) : (
                  <span className="break-words font-medium text-ink">{name}</span>
                )}{" "}
                {what}
                {detail && <span className="text-ink-3"> · {detail}</span>}
              </span>
              <span className="w-16 shrink-0 whitespace-nowrap text-ink-3">
                <Ago at={event.at} />
              </span>
            </li>
          );
        })}
      </ul>
      {told && told.length > SHOWN && (
        <button
          type="button"
          onClick={() => setAll(!all)}
          className="w-full border-line border-t px-3 py-2 text-left text-ink-3 text-xs hover:bg-hover hover:text-ink focus-visible:-outline-offset-2"
        >
          {all ? "Show fewer" : `Show ${told.length - SHOWN} more`}
        </button>
      )}
    </Panel>
  );
}

const QUIET_MS = 700;

/** Whether the connection has stood so long that what there is would have come. */
function useQuiet(): boolean {
  const live = useConnection() === "live";
  const [quiet, setQuiet] = useState(false);
  useEffect(() => {
    if (!live) return;
    const timer = setTimeout(() => setQuiet(true), QUIET_MS);
    return () => clearTimeout(timer);
  }, [live]);
  return quiet;
}
