import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useCallback, useEffect, useRef } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { buttonClass } from "@/ui/Button";
import { CopyAs } from "@/ui/CopyAs";
import { ErrorNote, Together } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Activity } from "./Activity";
import { Attention } from "./Attention";
import { FirstSteps } from "./FirstSteps";
import { HomeQuery, RunningQuery } from "./queries";
import { Recent } from "./Recent";
import { RunningNow } from "./RunningNow";
import { Standing } from "./Standing";
import { homeSnippets } from "./snippets";
import { StepsQuery } from "./steps";

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
  // Whoever has trained something comes for what runs; the steps that are left wait below it.
  const isNew = home.data?.recent.nodes.length === 0;
  const [steps] = useQuery({ query: StepsQuery });
  const known = error !== undefined || (home.data && running.data && (steps.data || steps.error)) !== undefined;
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
      <Together ready={known} size="h-96">
        <Standing home={home.data} />
        <Attention home={home.data} />
        {isNew && <FirstSteps />}
        <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
          <div className="flex min-w-0 flex-col gap-4">
            <RunningNow running={running.data} />
            <Recent home={home.data} />
            {home.data && !isNew && <FirstSteps />}
          </div>
          <div className="flex min-w-0 flex-col gap-4">
            <Activity home={home.data} onNews={again} />
          </div>
        </div>
      </Together>
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
