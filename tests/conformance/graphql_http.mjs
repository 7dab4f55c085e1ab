// Runs graphql-http's server audit against a URL, with a key: `node graphql_http.mjs URL KEY`. Prints the results as JSON.
import { auditServer } from "graphql-http";

const [url, key] = process.argv.slice(2);
const fetchFn = (target, options = {}) =>
  fetch(target, { ...options, headers: { ...options.headers, authorization: `Bearer ${key}` } });

const results = await auditServer({ url, fetchFn });
const shown = results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }));
console.log(JSON.stringify(shown));
