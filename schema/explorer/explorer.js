// GraphiQL with a key: queries and mutations by POST, subscriptions over graphql-transport-ws. The key stays in this tab.
"use strict";
(() => {
  const STORED = "burnish.explorer.key";
  const input = document.getElementById("key");
  const who = document.getElementById("who");
  const url = new URL("/graphql", location.href);
  const socketUrl = url.href.replace(/^http/, "ws");

  // The headers of the last operation, from the editor: a socket shows its key by them, too.
  let edited = {};
  const withKey = (headers) => {
    const given = new Headers(headers);
    if (input.value && !given.has("authorization")) given.set("authorization", `Bearer ${input.value}`);
    return given;
  };
  const send = (target, options) => fetch(target, { ...options, headers: withKey(options.headers) });
  const socket = graphqlWs.createClient({
    url: socketUrl,
    lazy: true,
    connectionParams: () => ({ Authorization: withKey(edited).get("authorization") ?? "" }),
    shouldRetry: (event) => !(event instanceof CloseEvent && event.code >= 4400 && event.code < 4500),
  });

  async function greet() {
    if (!input.value) {
      who.textContent = "type a key to read data";
      return;
    }
    const body = JSON.stringify({ query: "{ viewer { account { slug } } }" });
    const answer = await (await send(url, { method: "POST", headers: { "content-type": "application/json" }, body })).json();
    who.textContent = answer.data ? `as ${answer.data.viewer.account.slug}` : "this key does not work";
  }

  input.value = sessionStorage.getItem(STORED) ?? "";
  input.addEventListener("change", () => {
    input.value = input.value.trim();
    sessionStorage.setItem(STORED, input.value);
    // What runs on the socket was opened with the key before.
    socket.terminate();
    greet();
  });
  greet();

  const defaultQuery = `# Type an API key above. Ctrl+Enter runs this.
# Ctrl+Space completes; the book is the documentation.
{
  viewer {
    account {
      slug
      available {
        amount
        currency
      }
    }
  }
  jobs(first: 10) {
    nodes {
      id
      status
      progress {
        step
        totalSteps
      }
    }
  }
}
`;
  const ask = GraphiQL.createFetcher({ url: url.href, fetch: send, wsClient: socket });
  const fetcher = (params, options) => {
    edited = options?.headers ?? {};
    return ask(params, options);
  };
  ReactDOM.createRoot(document.getElementById("explorer")).render(
    React.createElement(GraphiQL, { fetcher, defaultQuery, shouldPersistHeaders: false }),
  );
})();
