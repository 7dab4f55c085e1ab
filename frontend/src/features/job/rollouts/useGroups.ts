import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { sentence } from "@/lib/errors";
import { type Group, GroupsQuery, type GroupsVariables } from "./documents";

const PAGE = 50;

export type Sought = Omit<GroupsVariables, "first" | "after">;

export interface Found {
  /** Undefined until the first answer. What was shown before stays until then, and is `old`. */
  groups: readonly Group[] | undefined;
  old: boolean;
  hasMore: boolean;
  fetching: boolean;
  error: string | null;
  more: () => void;
}

const keyOf = (sought: Sought, version: number): string => `${version} ${JSON.stringify(sought)}`;

interface Loaded {
  key: string;
  groups: readonly Group[];
  end: string | null;
  hasMore: boolean;
  error: string | null;
}

/** Groups page by page; null asks for nothing. Another `version` asks anew. */
export function useGroups(sought: Sought | null, version = 0): Found {
  const client = useClient();
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [asked, setAsked] = useState<{ key: string; after: string | null } | null>(null);
  const key = sought ? keyOf(sought, version) : "";
  const latest = useRef({ sought, loaded, version });
  latest.current = { sought, loaded, version };

  useEffect(() => {
    setAsked(key ? { key, after: null } : null);
  }, [key]);
  useEffect(() => {
    const what = latest.current.sought;
    if (!asked || !what || asked.key !== keyOf(what, latest.current.version)) return;
    let gone = false;
    const variables = { ...what, first: PAGE, after: asked.after };
    // What a past step made never changes; what is sought across steps may have grown.
    const requestPolicy = what.step === null ? "network-only" : "cache-first";
    void client
      .query(GroupsQuery, variables, { requestPolicy })
      .toPromise()
      .then(({ data, error }) => {
        if (gone) return;
        const page = data?.job?.rolloutGroups;
        const was = latest.current.loaded;
        const before = asked.after && was?.key === asked.key ? was.groups : [];
        setLoaded({
          key: asked.key,
          groups: [...before, ...(page?.nodes ?? [])],
          end: page?.pageInfo.endCursor ?? null,
          hasMore: page?.pageInfo.hasNextPage ?? false,
          error: error ? sentence(error) : null,
        });
        setAsked(null);
      });
    return () => {
      gone = true;
    };
  }, [asked, client]);

  const old = loaded !== null && loaded.key !== key;
  return {
    groups: loaded?.groups,
    old,
    hasMore: loaded?.hasMore ?? false,
    fetching: asked !== null,
    error: old ? null : (loaded?.error ?? null),
    more: () => {
      if (loaded && !old && loaded.hasMore) setAsked({ key, after: loaded.end });
    },
  };
}
