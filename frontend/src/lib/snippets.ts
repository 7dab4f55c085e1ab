/** The same action as curl, Python, GraphQL and CLI, ready to copy. */
import type { Json } from "./graphql";

export interface Snippets {
  curl?: string;
  python?: string;
  graphql?: string;
  cli?: string;
}

export const LANGUAGES = ["curl", "python", "graphql", "cli"] as const;
export const NAMES: Record<keyof Snippets, string> = { curl: "curl", python: "Python", graphql: "GraphQL", cli: "CLI" };

/** A word for a POSIX shell. */
export const shell = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** A value as Python writes it. */
export function python(value: Json, indent = 0): string {
  const pad = " ".repeat(indent + 4);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const items = Array.isArray(value)
    ? value.map((one) => python(one, indent + 4))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, indent + 4)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const line = `${open}${items.join(", ")}${close}`;
  if (line.length + indent <= 90 && !line.includes("\n")) return line;
  return `${open}\n${items.map((item) => `${pad}${item},`).join("\n")}\n${" ".repeat(indent)}${close}`;
}

const base = (): string => location.origin;

/** A REST call by curl; the key comes from the environment. */
export function curl(method: string, path: string, body?: Json): string {
  const words = [
    `curl -s ${method === "GET" ? "" : `-X ${method} `}${shell(base() + path)}`,
    `-H "Authorization: Bearer $BURNISH_API_KEY"`,
  ];
  if (body !== undefined) words.push(`-H "Content-Type: application/json"`, `-d ${shell(JSON.stringify(body))}`);
  return words.join(" \\\n  ");
}

/** The same call by Python, with nothing but httpx. */
export function pythonCall(method: string, path: string, body?: Json): string {
  return [
    "import os, httpx",
    "",
    `burnish = httpx.Client(base_url=${JSON.stringify(base())}, headers={"Authorization": f"Bearer {os.environ['BURNISH_API_KEY']}"})`,
    `answer = burnish.${method.toLowerCase()}(${JSON.stringify(path)}${body === undefined ? "" : `, json=${python(body)}`})`,
    "answer.raise_for_status()",
    "print(answer.json())",
  ].join("\n");
}

/** A GraphQL document with its variables. */
export function operation(document: string, variables: Record<string, Json> = {}): string {
  const text = document.trim();
  return Object.keys(variables).length ? `${text}\n\n# variables\n${JSON.stringify(variables, null, 2)}` : text;
}
