/** The account's datasets, page after page. */
import { useCallback, useMemo, useState } from "react";
import { type CombinedError, useClient, useQuery } from "urql";
import { type DatasetRow, DatasetsQuery } from "./documents";

const PAGE = 25;
/** Lists that were empty know nothing of what is made next; this tells them. */
export const CONTEXT = { additionalTypenames: ["Dataset"] };

interface More {
  /** The search, and the first page's end, that these follow. */
  of: string;
  rows: DatasetRow[];
  endCursor: string | null;
  hasNextPage: boolean;
}

export interface Datasets {
  rows: DatasetRow[] | undefined;
  error: CombinedError | undefined;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => Promise<void>;
  retry: () => void;
}

export function useDatasets(search: string): Datasets {
  const client = useClient();
  const [{ data, error, stale }, retry] = useQuery({
    query: DatasetsQuery,
    variables: { first: PAGE, search: search || null },
    context: CONTEXT,
  });
  const [more, setMore] = useState<More | null>(null);
  const [isLoadingMore, setLoadingMore] = useState(false);
  const page = data?.datasets;
  const of = `${search}\u0000${page?.pageInfo.endCursor ?? ""}`;
  const extra = more?.of === of ? more : null;
  const after = extra ? extra.endCursor : (page?.pageInfo.endCursor ?? null);

  const loadMore = useCallback(async () => {
    setLoadingMore(true);
    const answer = await client
      .query(DatasetsQuery, { first: PAGE, search: search || null, after }, { requestPolicy: "network-only" })
      .toPromise();
    setLoadingMore(false);
    const next = answer.data?.datasets;
    if (next) {
      setMore({
        of,
        rows: [...(extra?.rows ?? []), ...next.nodes],
        endCursor: next.pageInfo.endCursor,
        hasNextPage: next.pageInfo.hasNextPage,
      });
    }
  }, [client, search, after, of, extra]);

  const rows = useMemo(() => (page ? [...page.nodes, ...(extra?.rows ?? [])] : undefined), [page, extra]);
  return {
    rows,
    error: stale ? undefined : error,
    hasMore: (extra ? extra.hasNextPage : page?.pageInfo.hasNextPage) ?? false,
    isLoadingMore,
    loadMore,
    retry: () => retry({ requestPolicy: "network-only" }),
  };
}
