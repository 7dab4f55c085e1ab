/** Finding jobs, datasets, rewards and deployments by a part of their name, or by their id. */
import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { graphql, type ResultOf } from "@/lib/graphql";

const FindQuery = graphql(`
  query Find($search: String!) {
    jobs(first: 5, filter: { search: $search }) {
      nodes {
        id
        outputName
        status
        createdAt
      }
    }
    deployments(first: 5, filter: { search: $search }) {
      nodes {
        id
        name
        status
        createdAt
      }
    }
    datasets(first: 5, search: $search) {
      nodes {
        id
        name
        createdAt
      }
    }
    rewardFunctions(first: 5, search: $search) {
      nodes {
        id
        name
        createdAt
      }
    }
  }
`);

export interface Found {
  id: string;
  name: string;
  status: string | null;
  createdAt: string;
  to: string;
}

export interface FoundGroup {
  heading: string;
  items: Found[];
}

const ROOMS: Record<string, string> = { job: "jobs", dep: "deployments", ds: "datasets", rf: "rewards" };
const ID = /^(job|dep|ds|rf)_[0-9a-z]{20,32}$/;

/** The address of a thing, by what its id begins with; null for ids of things that have no screen. */
export function addressOf(id: string): string | null {
  const room = ROOMS[id.slice(0, id.indexOf("_"))];
  return room ? `/${room}/${id}` : null;
}

/** The id in what was pasted, such as an address of this dashboard or a line of a log. */
export function pastedId(text: string): string | null {
  const word = text
    .trim()
    .split(/[^0-9a-z_]+/)
    .find((one) => ID.test(one));
  return word ?? null;
}

export function grouped(data: ResultOf<typeof FindQuery>): FoundGroup[] {
  const item = (one: { id: string; createdAt: string }, name: string, status: string | null = null): Found => ({
    id: one.id,
    name,
    status,
    createdAt: one.createdAt,
    to: addressOf(one.id) ?? "/",
  });
  return [
    { heading: "Jobs", items: data.jobs.nodes.map((one) => item(one, one.outputName, one.status)) },
    { heading: "Deployments", items: data.deployments.nodes.map((one) => item(one, one.name, one.status)) },
    { heading: "Datasets", items: data.datasets.nodes.map((one) => item(one, one.name)) },
    { heading: "Rewards", items: data.rewardFunctions.nodes.map((one) => item(one, one.name)) },
  ].filter((group) => group.items.length > 0);
}

const REST_MS = 150;

/** What is called that, once somebody has stopped typing for a moment. */
export function useFind(typed: string): { groups: FoundGroup[]; fetching: boolean; failure: string | null } {
  const wanted = pastedId(typed) ?? typed.trim();
  const [search, setSearch] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSearch(wanted), REST_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  const [{ data, fetching, error }] = useQuery({
    query: FindQuery,
    variables: { search },
    pause: search === "",
    requestPolicy: "network-only",
  });
  const stale = fetching || search !== wanted;
  return {
    groups: data && search !== "" && wanted !== "" ? grouped(data) : [],
    fetching: wanted !== "" && stale,
    failure: error && wanted !== "" ? sentence(error) : null,
  };
}
