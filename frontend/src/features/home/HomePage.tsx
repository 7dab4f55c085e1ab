import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useEffect, useRef } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Activity } from "./Activity";
import { Attention } from "./Attention";
import { FirstSteps } from "./FirstSteps";
import { HomeQuery, RunningQuery } from "./queries";
import { Recent } from "./Recent";
import { RunningNow } from "./RunningNow";
import { Standing } from "./Standing";
import { homeSnippets } from "./snippets";

const RUNNING_MS = 2500;
const STANDING_MS = 30_000;

export default function HomePage() {
  useTitle("Home");
  const [home, askHome] = useQuery({ query: HomeQuery });
  const [running, askRunning] = useQuery({ query: RunningQuery });
  const some = running.data && running.data.jobs.nodes.length > 0;
  const again = useCallback(() => {
    askHome({ requestPolicy: "network-only" });
    askRunning({ requestPolicy: "network-only" });
  }, [askHome, askRunning]);
  useEvery(some ? RUNNING_MS : null, () => askRunning({ requestPolicy: "network-only" }));
  useEvery(STANDING_MS, again);
  const error = home.error ?? running.error;
  return (
    <Page
      title="Home"
      actions={
        <>
          <CopyAs title="What runs, from a program" snippets={homeSnippets} />
          <Link to="/jobs/new" className={buttonClass("solid")}>
            <Plus aria-hidden className="size-3.5" />
            New job
          </Link>
        </>
      }
    >
      {error && <ErrorNote onRetry={again}>{sentence(error)}</ErrorNote>}
      <Standing home={home.data} />
      <FirstSteps />
      <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <RunningNow running={running.data} />
          <Recent home={home.data} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Attention home={home.data} />
          <Activity home={home.data} onNews={again} />
        </div>
      </div>
    </Page>
  );
}

/** Do something again and again while the tab is looked at, and at once when one comes back to it; null rests. */
function useEvery(ms: number | null, act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    if (ms === null) return;
    const look = () => {
      if (document.visibilityState === "visible") latest.current();
    };
    const timer = setInterval(look, ms);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [ms]);
}
