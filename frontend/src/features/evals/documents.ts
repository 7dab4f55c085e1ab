/** What the screens of evals ask the server. */
import { type FragmentOf, graphql, type ResultOf, readFragment } from "@/lib/graphql";

const FiguresParts = graphql(`
  fragment EvalFiguresParts on EvalFigures @_unmask {
    mean
    low
    high
    count
    missing
    passAtK {
      k
      value
    }
  }
`);
export type Figures = ResultOf<typeof FiguresParts>;

const RunParts = graphql(
  `
    fragment EvalRunParts on EvalRun {
      id
      status
      model
      rows
      samples
      generationParams
      error
      attempt
      createdAt
      startedAt
      completedAt
      promptTokens
      completionTokens
      viewerCan
      ownsDeployment
      cost {
        amount
      }
      deployment {
        id
        name
      }
      progress {
        answered
        processed
        total
        fraction
        etaSeconds
      }
      results {
        answered
        unanswered
        score {
          ...EvalFiguresParts
        }
        scorers {
          name
          figures {
            ...EvalFiguresParts
          }
        }
      }
    }
  `,
  [FiguresParts],
);
export type Run = ResultOf<typeof RunParts>;
export const readRun = (run: FragmentOf<typeof RunParts>): Run => readFragment(RunParts, run);

const EvalParts = graphql(`
  fragment EvalParts on Eval @_unmask {
    id
    name
    scorers
    generationParams
    createdAt
    viewerCan
    dataset {
      id
      name
      rowCount
    }
  }
`);
export type Eval = ResultOf<typeof EvalParts>;

export const EvalsQuery = graphql(
  `
    query Evals($first: Int!, $after: Cursor, $search: String) {
      evals(first: $first, after: $after, search: $search) {
        nodes {
          ...EvalParts
          runs(first: 1) {
            nodes {
              ...EvalRunParts
            }
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [EvalParts, RunParts],
);
export type Listed = ResultOf<typeof EvalsQuery>["evals"]["nodes"][number];

export const EvalQuery = graphql(
  `
    query Eval($id: ID!, $first: Int!, $after: Cursor) {
      eval(id: $id) {
        ...EvalParts
        runs(first: $first, after: $after) {
          nodes {
            ...EvalRunParts
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [EvalParts, RunParts],
);

export const RunQuery = graphql(
  `
    query EvalRun($id: ID!) {
      evalRun(id: $id) {
        ...EvalRunParts
        eval {
          ...EvalParts
        }
      }
    }
  `,
  [EvalParts, RunParts],
);

const ItemParts = graphql(`
  fragment EvalItemParts on EvalItem @_unmask {
    itemIndex
    sample
    input
    output
    label
    score
    scores {
      name
      value
      error
    }
    latencyMs
    promptTokens
    completionTokens
    finishReason
    error
  }
`);
export type Item = ResultOf<typeof ItemParts>;

export const ItemsQuery = graphql(
  `
    query EvalItems($id: ID!, $filter: EvalItemFilter!, $first: Int!, $after: Cursor) {
      evalItems(runId: $id, filter: $filter, first: $first, after: $after) {
        nodes {
          ...EvalItemParts
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [ItemParts],
);

export const ComparisonQuery = graphql(
  `
    query CompareEvalRuns($a: ID!, $b: ID!, $onlyChanged: Boolean!, $first: Int!, $after: Cursor) {
      compareEvalRuns(a: $a, b: $b) {
        a {
          ...EvalRunParts
          eval {
            id
            name
          }
        }
        b {
          ...EvalRunParts
        }
        figures {
          rows
          better
          worse
          same
          mean
          low
          high
        }
        items(onlyChanged: $onlyChanged, first: $first, after: $after) {
          nodes {
            itemIndex
            input
            label
            scoreA
            scoreB
            difference
            a {
              ...EvalItemParts
            }
            b {
              ...EvalItemParts
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `,
  [RunParts, ItemParts],
);
export type Compared = ResultOf<typeof ComparisonQuery>["compareEvalRuns"]["items"]["nodes"][number];

export const EventStream = graphql(
  `
    subscription EvalRunEvents($id: ID!, $after: Cursor) {
      evalRunEvents(runId: $id, after: $after) {
        __typename
        ... on EvalRunUpdate {
          cursor
          run {
            ...EvalRunParts
          }
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
  [RunParts],
);

/** What an eval can be made of, and what can answer it. */
export const ChoicesQuery = graphql(`
  query EvalChoices {
    datasets(first: 100) {
      nodes {
        id
        name
        rowCount
      }
    }
    rewardFunctions(first: 100) {
      nodes {
        id
        name
      }
    }
    deployments(first: 100) {
      nodes {
        id
        name
        status
      }
    }
    jobs(first: 50, filter: { status: [COMPLETED] }) {
      nodes {
        id
        outputName
      }
    }
  }
`);
export type Choices = ResultOf<typeof ChoicesQuery>;
