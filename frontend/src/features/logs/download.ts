/** A log, or a part of it, as text. */
import { count } from "@/lib/format";
import { toast } from "@/ui/Toast";
import { plain } from "./ansi";
import { type Line, type LogApi, LogFailure, type LogFilter, type Page } from "./api";
import type { Range } from "./view";

const PAGE = 1000;
/** What a person carries to a clipboard. */
const MOST_COPIED = 10_000;

const written = (line: Line): string => `${line.at} ${line.level.padEnd(7)} ${line.source.padEnd(8)} ${plain(line.message)}`;

/** The messages of some lines; of more than the clipboard should take, the first ones. */
export async function textOf(api: LogApi, [from, to]: Range): Promise<string> {
  const found: string[] = [];
  const last = Math.min(to, from + MOST_COPIED - 1);
  for (let next = from; next <= last; ) {
    const page = await api.page({ first: Math.min(PAGE, last - next + 1), fromLine: next });
    const lines = page.lines.filter((line) => line.number <= last);
    found.push(...lines.map((line) => plain(line.message)));
    next = (lines.at(-1)?.number ?? last) + 1;
  }
  return found.join("\n");
}

function save(parts: string[], name: string): void {
  const address = URL.createObjectURL(new Blob(parts, { type: "text/plain;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The whole log of a job is one answer of the server; what is filtered, and a deployment's, is read page by page. */
export async function download(api: LogApi, filter: LogFilter | null): Promise<void> {
  const name = `${api.id}.log`;
  if (api.of === "job" && !filter) {
    const link = document.createElement("a");
    link.href = `/v1/training_jobs/${api.id}/logs/full`;
    link.download = name;
    link.click();
    return;
  }
  const parts: string[] = [];
  let after: string | null = null;
  let lines = 0;
  let stopped = false;
  const stop = () => {
    stopped = true;
  };
  try {
    toast("Reading the log…", { action: { label: "Stop", run: stop } });
    while (!stopped) {
      const page: Page = await api.page({ first: PAGE, after, filter });
      lines += page.lines.length;
      if (page.lines.length > 0) parts.push(`${page.lines.map(written).join("\n")}\n`);
      after = page.end ?? after;
      if (!page.hasNext) break;
    }
    if (stopped) return;
    save(parts, name);
    toast(`${count(lines)} lines were saved.`);
  } catch (error) {
    if (!(error instanceof LogFailure)) throw error;
    toast(error.message, { mood: "bad" });
  }
}
