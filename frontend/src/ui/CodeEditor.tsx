import { lazy, Suspense } from "react";
import type { EditorProps } from "./codemirror/Editor";
import { cx } from "./cx";

export type { Issue } from "./codemirror/issues";

const Editor = lazy(() => import("./codemirror/Editor"));

/**
 * Python with line numbers and colours, and problems at their lines; only to be read without `onChange`.
 *
 * Until the editor is loaded the text stands where it will be.
 */
export function CodeEditor({ className, ...props }: EditorProps) {
  const box = cx("overflow-hidden rounded-md border border-line bg-surface", className);
  return (
    <div className={box}>
      <Suspense
        fallback={
          <pre aria-hidden className="h-full overflow-hidden py-2 pr-3 pl-15 font-mono text-xs leading-5">
            {props.value}
          </pre>
        }
      >
        <Editor {...props} className="h-full" />
      </Suspense>
    </div>
  );
}
