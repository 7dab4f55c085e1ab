/** The clips of a run as they come. Addresses that ran out are asked for anew. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Group } from "../rollouts/documents";
import { useGroups } from "../rollouts/useGroups";
import { useRun } from "../rollouts/useRun";
import { Addresses, type Grid, gridOf } from "./grid";
import { Renewals } from "./renewals";

/** So many are asked for without being told to. */
const AT_ONCE = 500;

export interface Clips {
  /** Undefined until there was an answer. */
  grid: Grid | undefined;
  running: boolean;
  name: string;
  error: string | null;
  hasMore: boolean;
  fetching: boolean;
  more: () => void;
  retry: () => void;
  /** A clip could not be loaded. */
  failed: (id: string) => void;
  /** A clip is there. */
  loaded: (id: string) => void;
}

export function useClips(jobId: string): Clips {
  const live = useRun(jobId, false);
  const [addresses] = useState(() => new Addresses());
  const [renewals] = useState(() => new Renewals());
  const [renewed, setRenewed] = useState(0);
  const last = live.steps?.last ?? null;
  const [version, setVersion] = useState(0);
  const known = useRef<number | null>(null);
  useEffect(() => {
    if (last === null || last === known.current) return;
    if (known.current !== null) setVersion((was) => was + 1);
    known.current = last;
  }, [last]);
  // The newest first: how it does now is there at once, and how it began follows.
  const sought = live.run ? { jobId, step: null, row: null, filter: null, order: "NEWEST_FIRST" as const } : null;
  const found = useGroups(sought, version + renewed * 1_000_000);
  // What was asked for anew comes page by page: until then what is known stays.
  const [all] = useState(() => new Map<string, Group>());
  const grid = useMemo(() => {
    for (const group of found.groups ?? []) all.set(group.id, group);
    return found.groups && gridOf([...all.values()], addresses.of);
  }, [found.groups, addresses, all]);
  const { hasMore, fetching, more } = found;
  const loaded = found.groups?.length ?? 0;
  useEffect(() => {
    if (hasMore && !fetching && loaded < AT_ONCE) more();
  }, [hasMore, fetching, loaded, more]);
  const isWhole = !found.old && !fetching && (!hasMore || loaded >= AT_ONCE);
  useEffect(() => {
    if (isWhole) renewals.answer();
  }, [isWhole, renewals]);
  const failed = useCallback(
    (id: string) => {
      if (!renewals.fail(id)) return;
      addresses.runOut();
      setRenewed((was) => was + 1);
    },
    [addresses, renewals],
  );
  return {
    grid,
    running: live.run !== null && ["RUNNING", "QUEUED", "PROVISIONING"].includes(live.run.status) && live.state !== "ended",
    name: live.run?.outputName ?? jobId,
    error: live.error && !live.run ? live.error : found.error,
    hasMore: hasMore && loaded >= AT_ONCE,
    fetching,
    more,
    retry: live.retry,
    failed,
    loaded: useCallback((id: string) => renewals.load(id), [renewals]),
  };
}
