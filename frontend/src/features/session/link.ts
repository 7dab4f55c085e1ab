/** What stands behind `#link=` of a sign-in link; null where there is none. */
export function linkIn(hash: string): string | null {
  const found = new URLSearchParams(hash.replace(/^#/, "")).get("link");
  return found || null;
}

/** What a command line asks for at `/cli-login`, or why it cannot be had. */
export type CliLogin = { port: number; state: string; host: string };

export function cliLogin(search: Record<string, unknown>): CliLogin | string {
  const port = Number(search.port);
  const state = search.state === undefined ? "" : String(search.state);
  const host = String(search.hostname ?? "")
    .trim()
    .slice(0, 100);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return "The address names no port of this machine.";
  if (state === "") return "The address lacks the command line's proof that it asked.";
  return { port, state, host: host || "an unnamed machine" };
}

/** Hand a key to the command line that waits on this machine; false where nothing there took it. */
export async function handOver({ port, state }: CliLogin, token: string): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, state }),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(10_000),
    });
    return answer.ok;
  } catch {
    return false;
  }
}
