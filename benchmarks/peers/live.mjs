// A Node server of graphql-ws, graphql-js and ws that serves a job's log: `node live.mjs PORT FOLDER`, where FOLDER has the
// packages. Events come as lines of JSON on stdin and go to a queue of each subscriber.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.argv[3]}/`);
const { buildSchema } = require('graphql');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocketServer } = require('ws');

const schema = buildSchema(`
  scalar Cursor
  scalar DateTime
  enum LogLevel { DEBUG INFO WARNING ERROR }
  type LogLine { cursor: Cursor! at: DateTime! level: LogLevel! source: String! attempt: Int! message: String! }
  type LogBatch { lines: [LogLine!]! cursor: Cursor! }
  type Heartbeat { at: DateTime! cursor: Cursor! }
  type StreamEnd { reason: String! cursor: Cursor! }
  union LogFrame = LogBatch | Heartbeat | StreamEnd
  type Query { version: String! }
  type Subscription { jobLogs(jobId: ID!, after: Cursor): LogFrame! }
`);

class Follower {
  waiting = [];
  wake = null;

  push(frame) {
    this.waiting.push(frame);
    if (this.wake) {
      this.wake();
      this.wake = null;
    }
  }

  async *frames(first) {
    followers.add(this);
    try {
      yield first;
      for (;;) {
        if (this.waiting.length === 0) await new Promise((resolve) => (this.wake = resolve));
        const taken = this.waiting;
        this.waiting = [];
        for (const frame of taken) yield frame;
      }
    } finally {
      followers.delete(this);
    }
  }
}

const followers = new Set();
let first = null;

function frame(lines) {
  const made = lines.map((line) => ({ ...line, level: line.level.toUpperCase() }));
  return { jobLogs: { __typename: 'LogBatch', lines: made, cursor: made.at(-1).cursor } };
}

const lines = createInterface({ input: process.stdin });
// Nobody is left who would stop it.
lines.on('close', () => process.exit());
lines.on('line', (line) => {
  const made = frame(JSON.parse(line));
  if (first === null) {
    first = made;
    const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), path: '/graphql', perMessageDeflate: false });
    useServer({ schema, roots: { subscription: { jobLogs: () => new Follower().frames(first) } } }, server);
    return;
  }
  for (const follower of followers) follower.push(made);
});
