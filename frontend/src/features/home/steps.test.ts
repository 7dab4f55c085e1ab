import { expect, test } from "vitest";
import { steps } from "./steps";

type Data = Parameters<typeof steps>[0];

const NOTHING: Data = {
  viewer: { account: { id: "acct_1", isOperator: false, hasPassword: false } },
  baseModels: [],
  datasets: { nodes: [] },
  rewardFunctions: { nodes: [] },
  jobs: { nodes: [] },
  trained: { nodes: [] },
  deployments: { nodes: [] },
  auditLog: { nodes: [] },
};
const done = (data: Partial<Data>) => steps({ ...NOTHING, ...data }).flatMap((step) => (step.done ? [step.id] : []));
const one = { nodes: [{ id: "x_1" }] };

test("nothing is done in a new account", () => {
  expect(done({})).toEqual([]);
});

test.each<[Partial<Data>, string[]]>([
  [{ viewer: { account: { id: "acct_1", isOperator: true, hasPassword: true } } }, ["password"]],
  [{ baseModels: [{ name: "tiny" }] }, ["model"]],
  [{ datasets: one }, ["dataset"]],
  [{ rewardFunctions: one }, ["reward"]],
  [{ jobs: one }, ["model"]],
  [{ jobs: one, trained: one }, ["model", "train"]],
  [{ deployments: { nodes: [{ id: "dep_1", stats: { requestCount: 0 } }] } }, ["deploy"]],
  [{ deployments: { nodes: [{ id: "dep_1", stats: { requestCount: 3 } }] } }, ["deploy", "chat"]],
  [{ auditLog: one }, ["key"]],
])("%j does %j", (data, expected) => {
  expect(done(data)).toEqual(expected);
});

test("only the operator is told how to register a model", () => {
  const command = (isOperator: boolean) =>
    steps({ ...NOTHING, viewer: { account: { id: "acct_1", isOperator, hasPassword: false } } })[1]?.command;
  expect([command(true), command(false)]).toEqual(["burnish models add NAME PATH", undefined]);
});
