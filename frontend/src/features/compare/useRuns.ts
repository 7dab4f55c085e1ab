import { useEffect, useReducer, useRef } from "react";
import { useClient } from "urql";
import { followRun, MetricStore } from "@/features/job/overview";

const SHOW_MS = 1000;

/** The metrics of several runs, followed as long as they are compared. A run that stays is not asked for again. */
export function useRuns(ids: readonly string[]): ReadonlyMap<string, MetricStore> {
  const client = useClient();
  const followed = useRef(new Map<string, { store: MetricStore; stop: () => void }>());
  const [, show] = useReducer((count: number) => count + 1, 0);
  const key = ids.join();
  useEffect(() => {
    const wanted = new Set(key.split(",").filter(Boolean));
    const runs = followed.current;
    for (const [id, { stop }] of runs) {
      if (wanted.has(id)) continue;
      stop();
      runs.delete(id);
    }
    for (const id of wanted) {
      if (runs.has(id)) continue;
      const store = new MetricStore();
      runs.set(id, { store, stop: followRun(client, id, store, { onState: () => {}, onError: () => {} }) });
    }
    let due: ReturnType<typeof setTimeout> | undefined;
    const stops = [...runs.values()].map(({ store }) =>
      store.subscribe(() => {
        // A history is shown at once, what comes live now and then: charts have their own way.
        due ??= setTimeout(
          () => {
            due = undefined;
            show();
          },
          store.version <= 1 ? 0 : SHOW_MS,
        );
      }),
    );
    show();
    return () => {
      clearTimeout(due);
      for (const stop of stops) stop();
    };
  }, [client, key]);
  useEffect(() => {
    const runs = followed.current;
    return () => {
      for (const { stop } of runs.values()) stop();
      runs.clear();
    };
  }, []);
  return new Map([...followed.current].map(([id, { store }]) => [id, store]));
}
