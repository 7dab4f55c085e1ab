export interface Issue {
  line: number;
  message: string;
  /** The line itself, where it could be read here. */
  text?: string | undefined;
}

/** What is wrong with a file, line by line, each with its text. */
export function Issues({ issues }: { issues: readonly Issue[] }) {
  return (
    <ol
      aria-label="Problems by line"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-72 divide-y divide-line overflow-y-auto rounded-md border border-line"
    >
      {issues.map((issue, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line may have two problems, and the list never changes
        <li key={index} className="px-3 py-2">
          <p className="flex gap-3 text-sm">
            <span className="shrink-0 text-ink-3 tabular-nums">line {issue.line}</span>
            <span className="min-w-0 break-words text-bad">{issue.message}</span>
          </p>
          {issue.text !== undefined && (
            <pre className="mt-1 max-h-20 overflow-y-auto whitespace-pre-wrap break-all font-mono text-ink-2 text-xs">
              {issue.text || "(empty)"}
            </pre>
          )}
        </li>
      ))}
    </ol>
  );
}
