import { useEffect, useMemo, useState } from "react";
import { useQuery } from "urql";
import { type Group, grouped } from "./causes";
import { type Batch, CausesQuery, DeploymentsQuery } from "./documents";

const REST_MS = 2000;

/** Why lines have failed so far, and what the deployments that they asked are called. */
export function useCauses(
  id: string,
  batch: Batch | null | undefined,
): { groups: Group[] | undefined; names: ReadonlyMap<string, string> } {
  const failed = batch?.counts.failed ?? 0;
  const [{ data }, run] = useQuery({ query: CausesQuery, variables: { id }, pause: failed === 0 });
  const [{ data: named }] = useQuery({ query: DeploymentsQuery });
  // More have failed since: read again, not with each of them.
  const [told, setTold] = useState(failed);
  useEffect(() => {
    if (told === failed) return;
    const timer = setTimeout(() => setTold(failed), REST_MS);
    return () => clearTimeout(timer);
  }, [failed, told]);
  useEffect(() => {
    if (told > 0) run({ requestPolicy: "network-only" });
  }, [told, run]);
  const causes = data?.batch?.causes;
  const groups = useMemo(() => causes && grouped(causes), [causes]);
  const names = useMemo(() => new Map(named?.deployments.nodes.map((one) => [one.id, one.name])), [named]);
  return { groups, names };
}
