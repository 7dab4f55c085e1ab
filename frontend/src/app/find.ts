/** Finding jobs, datasets, rewards, deployments, batches and evals by a part of their name, or by their id. */
import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { graphql, type ResultOf } from "@/lib/graphql";
import { addressOf, pastedId } from "@/lib/ids";

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
    evals(first: 5, search: $search) {
      nodes {
        id
        name
        createdAt
      }
    }
    batches(first: 5, filter: { search: $search }) {
      nodes {
        id
        status
        createdAt
        model
        inputFile {
          filename
        }
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
    {
      heading: "Batches",
      items: data.batches.nodes.map((one) => item(one, one.inputFile?.filename ?? one.model ?? one.id, one.status)),
    },
    { heading: "Evals", items: data.evals.nodes.map((one) => item(one, one.name)) },
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
