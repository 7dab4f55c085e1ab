// Follows a job's log with the graphql-ws client, over cuts and restarts, to its end: `node graphql_ws_follow.mjs HOW URL KEY JOB`.
//
// HOW is `retry`, where the client reconnects by itself and takes the cursor from the variables as they are by then, or
// `resubscribe`, where it is told not to and the program subscribes again. Prints what it gets, a line of JSON each; a line on stdin
// cuts the connection.
import { createInterface } from "node:readline";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [how, url, key, job] = process.argv.slice(2);
const query = `subscription($id: ID!, $after: Cursor) { jobLogs(jobId: $id, after: $after) {
  __typename
  ... on LogBatch { cursor lines { message } }
  ... on StreamGap { to }
  ... on StreamEnd { reason }
} }`;
const WAIT_MS = 20;
let socket = null;
let cursor = null;

const wait = () => new Promise((resolve) => setTimeout(resolve, WAIT_MS));
const say = (found) => console.log(JSON.stringify(found));
const variables = {
  id: job,
  get after() {
    return cursor;
  },
};

const commands = createInterface({ input: process.stdin });
commands.on("line", () => socket.terminate());
// Nobody is left who would read on.
commands.on("close", () => process.exit(1));

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: `Bearer ${key}` },
  retryAttempts: how === "retry" ? Infinity : 0,
  shouldRetry: () => true,
  retryWait: wait,
  on: {
    connected: (opened) => {
      socket = opened;
      say({ type: "Connected" });
    },
  },
});

async function follow() {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw new Error(JSON.stringify(errors));
    const frame = data.jobLogs;
    cursor = frame.cursor ?? cursor;
    say({ type: frame.__typename, messages: (frame.lines ?? []).map((line) => line.message), reason: frame.reason ?? null });
  }
}

for (;;) {
  try {
    await follow();
    break;
  } catch (error) {
    if (how === "retry" || error instanceof Error) throw error;
    await wait();
  }
}
await client.dispose();
process.exit(0);
