// What the graphql-ws client sees of the protocol besides streams: `node graphql_ws_protocol.mjs URL KEY JOB`. Prints one object
// of findings, by name.
import { createClient, MessageType, stringifyMessage } from "graphql-ws";
import WebSocket from "ws";

const [url, key, job] = process.argv.slice(2);
const QUERY = { query: "{ viewer { account { slug } } }" };
const MUTATION = {
  query: "mutation($input: ApiKeyInput!) { createApiKey(input: $input) { apiKey { name } errors { message } } }",
  variables: { input: { name: "over the socket" } },
};
const FOLLOW = { query: `subscription { jobLogs(jobId: "${job}") { __typename ... on LogBatch { lines { message } } } }` };

const open = (options = {}) =>
  createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${key}` },
    retryAttempts: 0,
    ...options,
  });

// The one result of an operation that must then complete.
async function once(operation) {
  const client = open();
  const results = [];
  for await (const result of client.iterate(operation)) results.push(result.data);
  await client.dispose();
  return results;
}

// The code that the server closes with.
const closedWith = (options, operations = [QUERY]) =>
  new Promise((resolve) => {
    const client = open({ ...options, on: { ...options.on, closed: (event) => resolve([event.code, event.reason]) } });
    for (const operation of operations) client.subscribe(operation, { next() {}, error() {}, complete() {} });
  });

function pong() {
  return new Promise((resolve) => {
    const client = open({ keepAlive: 1, on: { pong: (received) => received && resolve(true) } });
    client.subscribe(FOLLOW, { next() {}, error() {}, complete() {} });
  });
}

// An operation that is completed gives its id up at once, and its connection is left open for the next.
async function completed() {
  const seen = [];
  let closed = null;
  const client = open({ lazy: false, generateID: () => "the same", on: { closed: (event) => (closed = event.code) } });
  for (let round = 0; round < 3; round += 1) {
    for await (const { data } of client.iterate(FOLLOW)) {
      seen.push(data.jobLogs.lines.map((line) => line.message));
      break;
    }
  }
  return { seen, closed };
}

const invalid = (operation) =>
  new Promise((resolve) => {
    const client = open();
    client.subscribe(operation, { next() {}, complete: () => resolve(null), error: (errors) => resolve(errors.map((one) => one.extensions.code)) });
  });

const found = {
  query: await once(QUERY),
  mutation: await once(MUTATION),
  invalid: await invalid({ query: "{ nothing }" }),
  pong: await pong(),
  completed: await completed(),
  wrong_key: await closedWith({ connectionParams: { Authorization: "Bearer vk_wrong" } }),
  no_key: await closedWith({ connectionParams: undefined }),
  second_init: await closedWith({
    on: { connected: (socket) => socket.send(stringifyMessage({ type: MessageType.ConnectionInit })) },
  }, [FOLLOW]),
  duplicate_id: await closedWith({ generateID: () => "the same" }, [FOLLOW, FOLLOW]),
};
console.log(JSON.stringify(found));
process.exit(0);
