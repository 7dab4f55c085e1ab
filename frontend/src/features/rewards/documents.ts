/** What this feature asks of the API. */
import { graphql, type ResultOf } from "@/lib/graphql";

export const RewardRow = graphql(`
  fragment RewardRow on RewardFunction @_unmask {
    id
    name
    fileName
    format
    createdAt
    weights {
      name
      weight
    }
    trial {
      components {
        name
      }
      warnings {
        message
      }
    }
    jobs(first: 10) {
      nodes {
        id
        outputName
        status
      }
      pageInfo {
        hasNextPage
      }
    }
  }
`);
export type RewardRow = ResultOf<typeof RewardRow>;

export const RewardsQuery = graphql(
  `
    query Rewards($first: Int!, $after: Cursor, $search: String) {
      rewardFunctions(first: $first, after: $after, search: $search) {
        nodes {
          ...RewardRow
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  `,
  [RewardRow],
);

export const RewardQuery = graphql(`
  query Reward($id: ID!) {
    rewardFunction(id: $id) {
      id
      name
      fileName
      format
      source
      sha256
      createdAt
      weights {
        name
        weight
      }
      trial {
        samples
        prompts
        rewards
        durationMs
        components {
          name
          weight
          values
        }
        warnings {
          line
          message
        }
      }
      jobs(first: 50) {
        nodes {
          id
          outputName
          status
          createdAt
          baseModel
        }
        pageInfo {
          hasNextPage
        }
      }
    }
  }
`);
export type Reward = NonNullable<ResultOf<typeof RewardQuery>["rewardFunction"]>;

export const CreateReward = graphql(`
  mutation CreateRewardFunction($input: CreateRewardFunctionInput!) {
    createRewardFunction(input: $input) {
      rewardFunction {
        id
        name
        trial {
          warnings {
            line
            message
          }
        }
      }
      errors {
        __typename
        code
        message
        path
        hint
        ... on RewardFunctionRejected {
          issues {
            line
            message
          }
        }
      }
    }
  }
`);

export const DeleteReward = graphql(`
  mutation DeleteRewardFunction($input: DeleteRewardFunctionInput!) {
    deleteRewardFunction(input: $input) {
      deletedId
      errors {
        code
        message
        path
        hint
      }
    }
  }
`);

export const TestReward = graphql(`
  mutation TestReward($input: TestRewardInput!) {
    testReward(input: $input) {
      test {
        rewards
        stdout
        durationMs
        components {
          name
          weight
          values
        }
        errors {
          sample
          file
          line
          message
        }
      }
      errors {
        __typename
        code
        message
        path
        hint
      }
    }
  }
`);
export type RewardTest = NonNullable<NonNullable<ResultOf<typeof TestReward>["testReward"]>["test"]>;

export const FORMATS = ["TRL", "MILES", "VERL"] as const;
export type Format = (typeof FORMATS)[number];
export const FORMAT_NAMES: Record<Format, string> = { TRL: "TRL", MILES: "miles", VERL: "verl" };
export const FORMAT_CALLS: Record<Format, string> = {
  TRL: "def reward(prompts, completions, **columns)",
  MILES: "async def reward(args, sample)",
  VERL: "def compute_score(data_source, solution_str, ground_truth, extra_info)",
};
