import { useQuery } from "urql";
import type { ResultOf } from "@/lib/graphql";
import { ChoicesQuery } from "./formQueries";

type Choices = ResultOf<typeof ChoicesQuery>;
export type CompletedJob = Choices["jobs"]["nodes"][number];

/** What can be deployed, and on what; `given` is among the jobs where it names one, however old. */
export function useChoices(given = "") {
  const [{ data, error }] = useQuery({ query: ChoicesQuery });
  // A job beyond the newest hundred is asked for by its id.
  const isListed = !given.startsWith("job_") || data === undefined || data.jobs.nodes.some((one) => one.id === given);
  const [{ data: named }] = useQuery({ query: ChoicesQuery, variables: { search: given }, pause: isListed });
  const jobs: readonly CompletedJob[] = [...(data?.jobs.nodes ?? []), ...(isListed ? [] : (named?.jobs.nodes ?? []))];
  return { choices: data, jobs, error };
}
