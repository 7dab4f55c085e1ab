import { useEffect, useMemo } from "react";
import { useClient } from "urql";
import type { Range } from "@/ui/chart";
import { type AxisName, scaleOf, stepsOf } from "./axis";
import type { MetricStore } from "./columns";
import { METRICS } from "./follow";

const DETAIL_POINTS = 1000;
/** Whoever drags on is not asked for yet. */
const PATIENCE_MS = 150;

export interface Shown {
  id: string;
  store: MetricStore;
  /** Whether its history is there: it comes later than the run itself. */
  loaded: boolean;
}

/** Have every step of the part that is looked at, of runs whose history is thinned. */
export function useDetail(runs: readonly Shown[], range: Range | null, axis: AxisName): void {
  const client = useClient();
  const key = runs.map(({ id, loaded }) => `${id}${loaded}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` says which runs there are
  const known = useMemo(() => runs.filter((run) => run.loaded), [key]);
  useEffect(() => {
    if (!range) {
      for (const { store } of known) store.unzoom();
      return;
    }
    let late = false;
    const timer = setTimeout(() => {
      for (const { id, store } of known.filter((run) => run.store.thinned)) {
        const [fromStep, toStep] = stepsOf(scaleOf(store, axis), range);
        const asked = { id, fromStep, toStep, maxPoints: DETAIL_POINTS };
        void client.query(METRICS, asked, { requestPolicy: "network-only" }).then(({ data }) => {
          if (!late && data?.job) store.zoom(fromStep, toStep, data.job.metrics);
        });
      }
    }, PATIENCE_MS);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [client, known, range, axis]);
}
