import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { nonce } from "@/app/nonce";
import { cx } from "../cx";
import { type Issue, issues as issueMarks, setIssues } from "./issues";
import { theme } from "./theme";

export interface EditorProps {
  value: string;
  /** Left out, the code is only read. */
  onChange?: ((value: string) => void) | undefined;
  label: string;
  issues?: readonly Issue[] | undefined;
  /** The line to begin at, from 1. */
  at?: number | null | undefined;
  className?: string | undefined;
}

// The screen's own key to run what was written.
const KEYS = defaultKeymap.filter((one) => one.key !== "Mod-Enter");

const EDITING: Extension = [
  history(),
  indentOnInput(),
  highlightActiveLine(),
  highlightActiveLineGutter(),
  keymap.of([...historyKeymap, indentWithTab]),
];
const READING: Extension = [EditorState.readOnly.of(true), EditorView.editable.of(false)];

const attributes = (label: string, readOnly: boolean): Record<string, string> =>
  readOnly
    ? { "aria-label": label, "aria-readonly": "true", tabindex: "0" }
    : { "aria-label": label, tabindex: "0", "aria-description": "Tab indents. Press Escape and then Tab to leave the editor." };

/** CodeMirror itself: loaded by `CodeEditor` when it is first needed. */
export default function Editor({ value, onChange, label, issues, at, className }: EditorProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef({ value, onChange, issues, at });
  latest.current = { value, onChange, issues, at };
  const readOnly = onChange === undefined;

  useEffect(() => {
    if (!box.current) return;
    const editor = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          nonce ? EditorView.cspNonce.of(nonce) : [],
          issueMarks,
          lineNumbers(),
          drawSelection(),
          bracketMatching(),
          highlightSelectionMatches(),
          indentUnit.of("    "),
          EditorState.tabSize.of(4),
          python(),
          theme,
          keymap.of([...searchKeymap, ...KEYS]),
          readOnly ? READING : EDITING,
          EditorView.contentAttributes.of(attributes(label, readOnly)),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange?.(update.state.doc.toString());
          }),
        ],
      }),
    });
    editor.dispatch({ effects: setIssues.of(latest.current.issues ?? []) });
    const begin = latest.current.at;
    if (begin && begin <= editor.state.doc.lines)
      editor.dispatch({ effects: EditorView.scrollIntoView(editor.state.doc.line(begin).from, { y: "center" }) });
    view.current = editor;
    return () => {
      view.current = null;
      editor.destroy();
    };
  }, [readOnly, label]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: setIssues.of(issues ?? []) });
  }, [issues]);

  return <div ref={box} data-keys="own" className={cx("min-w-0", className)} />;
}
