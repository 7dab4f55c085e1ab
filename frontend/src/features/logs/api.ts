/** A log as the server gives it: windows by number, pages by cursor, matches, and what is written now. */
import type { Client, CombinedError } from "@urql/core";
import { sentence } from "@/lib/errors";
import { graphql, type ResultOf, readFragment, type VariablesOf } from "@/lib/graphql";
import { follow, type StreamState } from "@/lib/live";

export type LogKind = "job" | "deployment";

const LineFragment = graphql(`
  fragment LogLineParts on LogLine {
    number
    cursor
    at
    level
    source
    attempt
    message
  }
`);
export type Line = ResultOf<typeof LineFragment>;

const PageQuery = graphql(
  `
    query LogPage($id: ID!, $first: Int! = 200, $after: Cursor, $last: Int, $before: Cursor, $fromLine: Int, $filter: LogFilter) {
      node(id: $id) {
        ... on TrainingJob {
          logs(first: $first, after: $after, last: $last, before: $before, fromLine: $fromLine, filter: $filter) {
            nodes {
              ...LogLineParts
            }
            pageInfo {
              hasNextPage
              hasPreviousPage
              startCursor
              endCursor
            }
          }
        }
        ... on Deployment {
          logs(first: $first, after: $after, last: $last, before: $before, fromLine: $fromLine, filter: $filter) {
            nodes {
              ...LogLineParts
            }
            pageInfo {
              hasNextPage
              hasPreviousPage
              startCursor
              endCursor
            }
          }
        }
      }
    }
  `,
  [LineFragment],
);

const RangeQuery = graphql(`
  query LogRange($id: ID!) {
    node(id: $id) {
      ... on TrainingJob {
        logRange {
          firstLine
          lastLine
          ended
        }
      }
      ... on Deployment {
        logRange {
          firstLine
          lastLine
          ended
        }
      }
    }
  }
`);

const CountQuery = graphql(`
  query LogCount($id: ID!, $filter: LogFilter!, $after: Cursor) {
    node(id: $id) {
      ... on TrainingJob {
        logCount(filter: $filter, after: $after) {
          lines
          more
          endCursor
        }
      }
      ... on Deployment {
        logCount(filter: $filter, after: $after) {
          lines
          more
          endCursor
        }
      }
    }
  }
`);

const JobTail = graphql(
  `
    subscription JobLogTail($id: ID!, $after: Cursor, $filter: LogFilter) {
      jobLogs(jobId: $id, after: $after, tail: 0, filter: $filter) {
        __typename
        ... on LogBatch {
          cursor
          lines {
            ...LogLineParts
          }
        }
        ... on StreamGap {
          dropped
          to
        }
        ... on Heartbeat {
          cursor
        }
        ... on StreamEnd {
          cursor
          reason
        }
      }
    }
  `,
  [LineFragment],
);

const DeploymentTail = graphql(
  `
    subscription DeploymentLogTail($id: ID!, $after: Cursor, $filter: LogFilter) {
      deploymentLogs(id: $id, after: $after, tail: 0, filter: $filter) {
        __typename
        ... on LogBatch {
          cursor
          lines {
            ...LogLineParts
          }
        }
        ... on StreamGap {
          dropped
          to
        }
        ... on Heartbeat {
          cursor
        }
        ... on StreamEnd {
          cursor
          reason
        }
      }
    }
  `,
  [LineFragment],
);

export type PageArguments = Omit<VariablesOf<typeof PageQuery>, "id">;
export type LogFilter = NonNullable<PageArguments["filter"]>;
export type Level = NonNullable<LogFilter["levels"]>[number];

export interface Page {
  lines: Line[];
  hasNext: boolean;
  hasPrevious: boolean;
  start: string | null;
  end: string | null;
}

/** Said by the server, or by the connection. */
export class LogFailure extends Error {}

export interface Tail {
  after: string | null;
  filter: LogFilter | null;
  onLines: (lines: Line[]) => void;
  /** Lines were left out because this reader was too slow. */
  onGap: () => void;
  onState: (state: StreamState) => void;
}

export class LogApi {
  readonly of: LogKind;
  readonly id: string;
  private readonly client: Client;

  constructor(client: Client, of: LogKind, id: string) {
    this.client = client;
    this.of = of;
    this.id = id;
  }

  async page(given: PageArguments): Promise<Page> {
    const node = this.found(
      await this.client.query(PageQuery, { ...given, id: this.id }, { requestPolicy: "network-only" }).toPromise(),
    );
    if (!("logs" in node)) throw new LogFailure("This has no log.");
    const { nodes, pageInfo } = node.logs;
    return {
      lines: nodes.map((one) => readFragment(LineFragment, one)),
      hasNext: pageInfo.hasNextPage,
      hasPrevious: pageInfo.hasPreviousPage,
      start: pageInfo.startCursor,
      end: pageInfo.endCursor,
    };
  }

  async range(): Promise<{ firstLine: number; lastLine: number; ended: boolean }> {
    const node = this.found(await this.client.query(RangeQuery, { id: this.id }, { requestPolicy: "network-only" }).toPromise());
    if (!("logRange" in node)) throw new LogFailure("This has no log.");
    return node.logRange;
  }

  async count(filter: LogFilter, after: string | null): Promise<{ lines: number; more: boolean; endCursor: string | null }> {
    const node = this.found(
      await this.client.query(CountQuery, { id: this.id, filter, after }, { requestPolicy: "network-only" }).toPromise(),
    );
    if (!("logCount" in node)) throw new LogFailure("This has no log.");
    return node.logCount;
  }

  /** The first line that a filter allows from a place on, or the last one before it; null where there is none. */
  async seek(
    filter: LogFilter,
    way: "next" | "previous",
    from: number | null,
    alive: () => boolean = () => true,
  ): Promise<Line | null> {
    let place: string | null = null;
    let line: number | null = from;
    if (from !== null && way === "previous") {
      const [at] = (await this.page({ first: 1, fromLine: Math.max(1, from) })).lines;
      place = at?.cursor ?? null;
      line = null;
    }
    while (alive()) {
      const page: Page = await this.page(
        way === "previous"
          ? { last: 1, before: place, filter }
          : line !== null
            ? { first: 1, fromLine: Math.max(1, line), filter }
            : { first: 1, after: place, filter },
      );
      const [found] = page.lines;
      if (found) return found;
      line = null;
      place = way === "previous" ? page.start : page.end;
      if (place === null || !(way === "previous" ? page.hasPrevious : page.hasNext)) return null;
    }
    return null;
  }

  tail({ after, filter, onLines, onGap, onState }: Tail): () => void {
    const poll = async (from: string | null) => {
      const page = await this.page({ first: 1000, after: from, filter });
      const range = page.hasNext ? null : await this.range();
      return [
        { __typename: "LogBatch" as const, cursor: page.end ?? from ?? "", lines: page.lines },
        ...(range?.ended && page.lines.length === 0
          ? [{ __typename: "StreamEnd" as const, cursor: from ?? "", reason: "ended" }]
          : []),
      ];
    };
    const onFrames = (frames: readonly { __typename?: string; lines?: Line[] }[]) => {
      onLines(frames.flatMap((frame) => frame.lines ?? []));
      if (frames.some((frame) => frame.__typename === "StreamGap")) onGap();
    };
    type Batch = { __typename?: string; cursor?: string | null; lines?: Line[] };
    const shared = { after, onFrames, onState, poll: poll as (from: string | null) => Promise<Batch[]> };
    if (this.of === "job") {
      return follow({
        ...shared,
        document: JobTail,
        variables: { id: this.id, filter },
        frame: ({ jobLogs }): Batch => frameOf(jobLogs),
      });
    }
    return follow({
      ...shared,
      document: DeploymentTail,
      variables: { id: this.id, filter },
      frame: ({ deploymentLogs }): Batch => frameOf(deploymentLogs),
    });
  }

  private found<Data extends { node: unknown }>(result: { data?: Data | undefined; error?: CombinedError | undefined }) {
    if (result.error) throw new LogFailure(sentence(result.error));
    const node = result.data?.node as Data["node"];
    if (!node) throw new LogFailure("It is not here any more.");
    return node as NonNullable<Data["node"]> & object;
  }
}

type AnyFrame = ResultOf<typeof JobTail>["jobLogs"] | ResultOf<typeof DeploymentTail>["deploymentLogs"];

function frameOf(frame: AnyFrame) {
  if (frame.__typename !== "LogBatch")
    return frame.__typename === "StreamGap" ? { __typename: frame.__typename, cursor: frame.to } : frame;
  return { ...frame, lines: frame.lines.map((one) => readFragment(LineFragment, one)) };
}
