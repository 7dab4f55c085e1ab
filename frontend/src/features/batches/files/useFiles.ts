import { useState } from "react";
import { useClient, useQuery } from "urql";
import { sentence } from "@/lib/errors";
import type { ResultOf } from "@/lib/graphql";
import { toast } from "@/ui/Toast";
import { FilesQuery, readFile, type StoredFile } from "../documents";

const PAGE = 50;
export type Purpose = StoredFile["purpose"];
type PageOf = ResultOf<typeof FilesQuery>["files"]["pageInfo"];

/** The account's files that are called like `search`, newest first. */
export function useFiles(purpose: Purpose | null, search: string) {
  const client = useClient();
  const variables = { first: PAGE, purpose: purpose ? [purpose] : null, search: search || null };
  const [{ data, error }, run] = useQuery({ query: FilesQuery, variables, requestPolicy: "cache-and-network" });
  const key = JSON.stringify(variables);
  const [more, setMore] = useState<{ of: string; rows: StoredFile[]; page: PageOf | null }>({ of: "", rows: [], page: null });
  const extra = more.of === key ? more : { rows: [], page: null };
  const first = data?.files.nodes.map(readFile);
  const known = new Set(first?.map((one) => one.id));
  const page = extra.page ?? data?.files.pageInfo;
  const next = async () => {
    if (!page?.endCursor) return;
    const result = await client.query(FilesQuery, { ...variables, after: page.endCursor }).toPromise();
    if (result.error) toast(sentence(result.error), { mood: "bad" });
    if (!result.data) return;
    const { nodes, pageInfo } = result.data.files;
    setMore({ of: key, rows: [...extra.rows, ...nodes.map(readFile)], page: pageInfo });
  };
  return {
    rows: first && [...first, ...extra.rows.filter((one) => !known.has(one.id))],
    hasMore: page?.hasNextPage ?? false,
    error: data ? undefined : error,
    next,
    again: () => {
      setMore({ of: "", rows: [], page: null });
      run({ requestPolicy: "network-only" });
    },
  };
}
