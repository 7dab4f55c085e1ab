/** What there is to choose from where a deployment is made or changed. */
import { graphql } from "@/lib/graphql";

export const ChoicesQuery = graphql(`
  query DeploymentChoices($search: String) {
    jobs(first: 100, filter: { status: [COMPLETED], search: $search }) {
      nodes {
        id
        outputName
        baseModel
        completedAt
        hardwareRequested {
          type
        }
      }
    }
    baseModels {
      name
    }
    rates {
      gpuType
    }
  }
`);
