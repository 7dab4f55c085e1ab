import { expect, test } from "vitest";
import { EMPTY, hasSecrets, isFilled, type SourceForm, suggestedName, toInput } from "./sources";

const form = (change: Partial<SourceForm>): SourceForm => ({ ...EMPTY, ...change });

test("the hub needs a dataset, and says which part of it", () => {
  expect(toInput(form({ dataset: " openai/gsm8k ", configName: "main", uri: "s3://left/over" }))).toEqual({
    sourceType: "HF",
    huggingfaceDataset: "openai/gsm8k",
    huggingfaceConfig: { split: "train", configName: "main" },
  });
});

test("only what the kind of source knows is sent", () => {
  const filled = form({
    type: "S3",
    uri: "s3://bucket/rows.jsonl",
    dataset: "left/over",
    credentials: { access_key_id: "A", secret_access_key: "B", token: "of another kind", region: " " },
    mapping: [
      { from: "question", to: "prompt" },
      { from: "", to: "" },
    ],
  });
  expect(toInput(filled)).toEqual({
    sourceType: "S3",
    sourceUri: "s3://bucket/rows.jsonl",
    credentials: { access_key_id: "A", secret_access_key: "B" },
    columnMapping: { question: "prompt" },
  });
});

test("a database needs its address and a query", () => {
  const filled = form({ type: "POSTGRES", connection: "postgres://db.example.com/app" });
  expect(isFilled(filled)).toBe(false);
  expect(toInput({ ...filled, query: "SELECT 1 AS prompt" })).toEqual({
    sourceType: "POSTGRES",
    dbConnection: "postgres://db.example.com/app",
    dbQuery: "SELECT 1 AS prompt",
  });
});

test("a region is no secret, a key is", () => {
  expect(hasSecrets(form({ type: "S3", credentials: { region: "eu-central-1" } }))).toBe(false);
  expect(hasSecrets(form({ type: "S3", credentials: { secret_access_key: "x" } }))).toBe(true);
  expect(hasSecrets(form({ type: "AZ", credentials: { account_name: "mystorage" } }))).toBe(false);
});

test("a name is suggested as the command line does", () => {
  expect(suggestedName(form({ dataset: "openai/gsm8k" }))).toBe("openai-gsm8k");
  expect(suggestedName(form({ type: "URL", uri: "https://example.com/data/rows.jsonl.gz?x=1" }))).toBe("rows");
  expect(suggestedName(form({ type: "MYSQL", connection: "mysql://me:secret@db/app" }))).toBe("app");
});
