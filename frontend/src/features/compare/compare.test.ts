import { expect, test } from "vitest";
import { compareSnippets } from "./snippets";
import { names, ordered, shownSetting } from "./view";

test("what tells most comes first, the rest by name, each once", () => {
  expect(ordered(["zeta", "kl", "alpha", "reward", "kl"])).toEqual(["reward", "kl", "alpha", "zeta"]);
});

test("runs of one name are told apart by the end of their id", () => {
  expect(
    names([
      { id: "job_0001", outputName: "adder" },
      { id: "job_0002", outputName: "adder" },
      { id: "job_0003", outputName: "other" },
    ]),
  ).toEqual({ job_0001: "adder …0001", job_0002: "adder …0002", job_0003: "other" });
});

test("settings are shown as they were given", () => {
  expect([null, "tiny", 0.1, { type: "L4" }].map(shownSetting)).toEqual(["–", "tiny", "0.1", '{"type":"L4"}']);
});

test("each run is asked for where one question cannot have them all", () => {
  const { cli, graphql } = compareSnippets(["job_a", "job_b"], ["reward", "kl"]);
  expect(cli).toBe("burnish jobs metrics job_a --keys reward,kl\nburnish jobs metrics job_b --keys reward,kl");
  expect(graphql).toContain('"ids": [');
});
