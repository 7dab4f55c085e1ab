import { graphql } from "@/lib/graphql";

export const SpendingQuery = graphql(`
  query Spending($range: TimeRange!, $by: CostDimension!, $grain: TimeGrain!) {
    bars: costs(range: $range, groupBy: [$by], grain: $grain) {
      total {
        hours
        jobCount
        cost {
          amount
        }
      }
      buckets {
        startsAt
        provider
        gpuType
        kind
        resourceId
        cost {
          amount
        }
      }
    }
    table: costs(range: $range, groupBy: [RESOURCE, KIND, PROVIDER, GPU_TYPE], grain: MONTH) {
      groups {
        provider
        gpuType
        kind
        resourceId
        hours
        cost {
          amount
        }
      }
    }
  }
`);

export const MoneyQuery = graphql(`
  query MoneyStanding {
    viewer {
      account {
        id
        billingMode
        balance {
          amount
        }
        held {
          amount
        }
        available {
          amount
        }
        warnings {
          code
          message
        }
        budget {
          limit {
            amount
          }
          spent {
            amount
          }
          remaining {
            amount
          }
          period
          periodBeganAt
        }
      }
    }
    burnRate {
      hourly {
        amount
      }
      hoursRemaining
      budgetHoursRemaining
      activeJobs
      activeDeployments
    }
    jobs(first: 100) {
      nodes {
        id
        outputName
      }
    }
    deployments(first: 100) {
      nodes {
        id
        name
      }
    }
  }
`);

export const SetBudgetMutation = graphql(`
  mutation SetBudget($input: SetBudgetInput!) {
    setBudget(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      budget {
        limit {
          amount
        }
        period
      }
    }
  }
`);

export const TransactionsQuery = graphql(`
  query Transactions($first: Int!, $after: Cursor) {
    transactions(first: $first, after: $after) {
      nodes {
        id
        amount {
          amount
        }
        description
        resourceId
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const RatesQuery = graphql(`
  query Rates {
    rates {
      provider
      gpuType
      perHour {
        amount
      }
      source
      updatedAt
    }
  }
`);

export const EstimateQuery = graphql(`
  query Estimate($type: String!, $count: Int!, $minutes: Decimal!, $perDay: Int!) {
    costComparison(type: $type, count: $count, durationMinutes: $minutes) {
      hardware {
        type
        count
        provider
      }
      available
      pricePerHour {
        amount
      }
      cost {
        amount
      }
    }
    costEstimate(hardware: { type: $type, count: $count }, durationMinutes: $minutes) {
      hardware {
        type
        count
        provider
      }
      total {
        amount
      }
      gpus {
        amount
      }
      storage {
        amount
      }
      overhead {
        amount
      }
      markup
    }
    costProjection(hardware: { type: $type, count: $count }, jobsPerDay: $perDay, averageMinutes: $minutes) {
      totalJobs
      perJob {
        amount
      }
      monthly {
        amount
      }
      keepWarm {
        amount
      }
      monthlyWithKeepWarm {
        amount
      }
    }
  }
`);
