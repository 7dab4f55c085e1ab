import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { Provider } from "urql";
import { afterEach, expect, test } from "vitest";
import { NewKey } from "./NewKey";

afterEach(cleanup);

const MADE = {
  createApiKey: {
    __typename: "Made",
    errors: [],
    apiKey: { __typename: "ApiKey", id: "key_2", name: "ci" },
    secret: "vk_secret",
  },
};
const mine = (...scopes: string[]) => ({
  viewer: { __typename: "Viewer", apiKey: { __typename: "ApiKey", id: "key_1", scopes } },
});

/** The dialog before a server that answers when it is told to. */
function opened() {
  const asked: { name: string; variables: unknown; answer: (response: Response) => void }[] = [];
  const fetch = (_: unknown, init?: RequestInit) =>
    new Promise<Response>((answer) => {
      const { operationName, variables } = JSON.parse(String(init?.body));
      asked.push({ name: operationName, variables, answer });
    });
  const client = new Client({ url: "/graphql", fetch, preferGetMethod: false, exchanges: [cacheExchange, fetchExchange] });
  render(
    <Provider value={client}>
      <NewKey onClose={() => undefined} onMade={() => undefined} />
    </Provider>,
  );
  /** Answer what is asked, which is that and nothing else; return what it was asked with. */
  const answer = async (name: string, response: Response) => {
    await waitFor(() => expect(asked.map((one) => one.name)).toEqual([name]));
    const one = asked.pop();
    one?.answer(response);
    return one?.variables;
  };
  return {
    refuse: (name: string) => answer(name, new Response("", { status: 503, statusText: "Service Unavailable" })),
    answer: (name: string, data: unknown) =>
      answer(name, new Response(JSON.stringify({ data }), { headers: { "content-type": "application/json" } })),
  };
}

const box = (scope: string) => screen.getByRole<HTMLInputElement>("checkbox", { name: new RegExp(`^${scope}`) });
const boxes = () => ["read", "write", "inference"].map((scope) => [box(scope).checked, box(scope).disabled]);
const make = () => screen.getByRole<HTMLButtonElement>("button", { name: "Make the key" });
const none = () => screen.queryAllByText("You may not give what you have not yourself").length;

test("a dialog that is opened before it is known what may be given offers all of it once it is", async () => {
  const { answer } = opened();
  fireEvent.change(screen.getByLabelText("Name"), { target: { value: "ci" } });
  expect([boxes(), make().disabled, none()]).toEqual([
    [
      [false, true],
      [false, true],
      [false, true],
    ],
    true,
    0,
  ]);

  await answer("MyScopes", mine("read", "inference"));
  await waitFor(() => expect(make().disabled).toBe(false));
  expect([boxes(), make().disabled, none()]).toEqual([
    [
      [true, false],
      [false, true],
      [true, false],
    ],
    false,
    1,
  ]);
  expect(screen.getByLabelText<HTMLInputElement>("Name").value).toBe("ci");

  fireEvent.click(make());
  expect(await answer("CreateApiKey", MADE)).toMatchObject({ input: { name: "ci", scopes: ["read", "inference"] } });
  expect((await screen.findByLabelText("the key")).textContent).toContain("vk_secret");
});

test("where it cannot be learned what may be given, it is said, and asked again on request", async () => {
  const { answer, refuse } = opened();
  await refuse("MyScopes");
  fireEvent.click(await screen.findByRole("button", { name: "Try again" }));
  expect(make().disabled).toBe(true);
  await answer("MyScopes", mine("read", "write", "inference"));
  await waitFor(() => expect(make().disabled).toBe(false));
  expect([boxes(), make().disabled]).toEqual([
    [
      [true, false],
      [true, false],
      [true, false],
    ],
    false,
  ]);
  expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
});
