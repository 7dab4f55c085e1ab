/** The first steps with Burnish, and which of them are done: told by what is there, never by what was clicked. */
import { graphql, type ResultOf } from "@/lib/graphql";

export const StepsQuery = graphql(`
  query FirstSteps {
    viewer {
      account {
        id
        isOperator
        hasPassword
      }
    }
    baseModels {
      name
    }
    datasets(first: 1) {
      nodes {
        id
      }
    }
    rewardFunctions(first: 1) {
      nodes {
        id
      }
    }
    jobs(first: 1) {
      nodes {
        id
      }
    }
    trained: jobs(first: 1, filter: { status: [COMPLETED] }) {
      nodes {
        id
      }
    }
    deployments(first: 20) {
      nodes {
        id
        stats {
          requestCount
        }
      }
    }
    auditLog(first: 1, filter: { action: "api_keys.create" }) {
      nodes {
        id
      }
    }
  }
`);

export interface Step {
  id: string;
  title: string;
  why: string;
  done: boolean;
  action: string;
  to: string;
  search?: Record<string, string>;
  /** What does the same in a terminal. */
  command?: string;
}

export function steps(data: ResultOf<typeof StepsQuery>): Step[] {
  const some = (list: { nodes: readonly unknown[] }) => list.nodes.length > 0;
  return [
    {
      id: "password",
      title: "Set a password",
      why: "The link that let you in works once. With a password you come back from any browser.",
      done: data.viewer.account.hasPassword,
      action: "Set a password",
      to: "/settings",
      search: { tab: "account" },
    },
    {
      id: "model",
      title: "Choose a base model",
      why: data.viewer.account.isOperator
        ? "Register one that lies on this machine, or name any model of Hugging Face when you start a job."
        : "The operator registers those that lie here; any model of Hugging Face can be named when you start a job.",
      done: data.baseModels.length > 0 || some(data.jobs),
      action: "See what a job can start from",
      to: "/jobs/new",
      ...(data.viewer.account.isOperator ? { command: "burnish models add NAME PATH" } : {}),
    },
    {
      id: "dataset",
      title: "Bring prompts",
      why: "A JSONL file with a prompt on each line, or a table at Hugging Face, S3 or in a database. There is a sample to begin with.",
      done: some(data.datasets),
      action: "Add a dataset",
      to: "/datasets",
    },
    {
      id: "reward",
      title: "Write a reward",
      why: "A Python function that scores completions. Try it on samples before it costs anything.",
      done: some(data.rewardFunctions),
      action: "Open the playground",
      to: "/rewards/playground",
    },
    {
      id: "train",
      title: "Train",
      why: "You see the price and what could go wrong before it starts, and every completion while it runs.",
      done: some(data.trained),
      action: "Start a job",
      to: "/jobs/new",
    },
    {
      id: "deploy",
      title: "Deploy what came out",
      why: "The trained checkpoint behind an address that the OpenAI SDK can call.",
      done: some(data.deployments),
      action: "Deploy a model",
      to: "/deployments",
    },
    {
      id: "chat",
      title: "Ask it something",
      why: "Beside the model it was made of, if you like: side by side shows what it learned.",
      done: data.deployments.nodes.some((one) => BigInt(one.stats.requestCount) > 0n),
      action: "Open the chat",
      to: "/chat",
    },
    {
      id: "key",
      title: "Make an API key",
      why: "For programs and the command line, with only the scopes they need.",
      done: some(data.auditLog),
      action: "Make a key",
      to: "/settings",
      search: { tab: "keys" },
    },
  ];
}
