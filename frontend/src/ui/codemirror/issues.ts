/** Problems at their lines: a mark in the gutter, the line tinted, and what is wrong below it, where it can be read and copied. */
import { type EditorState, type Extension, RangeSet, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, GutterMarker, gutter, WidgetType } from "@codemirror/view";

export interface Issue {
  /** From 1; null where it is about the whole file. */
  line: number | null;
  message: string;
  mood?: "bad" | "warn";
}

const suffix = (mood: Issue["mood"], name: string): string => (mood === "warn" ? `${name} ${name}-warn` : name);

/** The issues of each line of a document of so many lines, in order; what is about no line stands at the first. */
export function byLine(issues: readonly Issue[], lines: number): Map<number, Issue[]> {
  const found = new Map<number, Issue[]>();
  for (const issue of issues) {
    const line = Math.min(Math.max(issue.line ?? 1, 1), lines);
    const there = found.get(line);
    if (!there) found.set(line, [issue]);
    else if (!there.some((one) => one.message === issue.message)) there.push(issue);
  }
  return new Map([...found].sort(([a], [b]) => a - b));
}

class Mark extends GutterMarker {
  readonly text: string;
  readonly mood: Issue["mood"];
  constructor(text: string, mood: Issue["mood"]) {
    super();
    this.text = text;
    this.mood = mood;
  }
  override eq(other: Mark): boolean {
    return other.text === this.text && other.mood === this.mood;
  }
  override toDOM(): Node {
    const mark = document.createElement("span");
    mark.className = suffix(this.mood, "cm-issueMark");
    mark.textContent = this.mood === "warn" ? "!" : "×";
    mark.title = this.text;
    return mark;
  }
}

class Words extends WidgetType {
  readonly text: string;
  readonly mood: Issue["mood"];
  constructor(text: string, mood: Issue["mood"]) {
    super();
    this.text = text;
    this.mood = mood;
  }
  override eq(other: Words): boolean {
    return other.text === this.text && other.mood === this.mood;
  }
  override toDOM(): HTMLElement {
    const box = document.createElement("div");
    box.className = suffix(this.mood, "cm-issueText");
    box.textContent = this.text;
    return box;
  }
  override ignoreEvent(): boolean {
    return true;
  }
}

interface Shown {
  decorations: DecorationSet;
  marks: RangeSet<GutterMarker>;
}

const nothing: Shown = { decorations: Decoration.none, marks: RangeSet.empty };

function show(issues: readonly Issue[], state: EditorState): Shown {
  const decorations = [];
  const marks = [];
  for (const [number, here] of byLine(issues, state.doc.lines)) {
    const line = state.doc.line(number);
    const text = here.map((one) => one.message).join("\n");
    const mood = here.every((one) => one.mood === "warn") ? "warn" : "bad";
    decorations.push(Decoration.line({ class: suffix(mood, "cm-issueLine") }).range(line.from));
    decorations.push(Decoration.widget({ widget: new Words(text, mood), block: true, side: 1 }).range(line.to));
    marks.push(new Mark(text, mood).range(line.from));
  }
  return { decorations: Decoration.set(decorations, true), marks: RangeSet.of(marks) };
}

export const setIssues = StateEffect.define<readonly Issue[]>();

const field = StateField.define<Shown>({
  create: () => nothing,
  update(was, transaction) {
    for (const effect of transaction.effects) if (effect.is(setIssues)) return show(effect.value, transaction.state);
    if (!transaction.docChanged) return was;
    // They stay with their lines while somebody types, until the next verdict.
    return { decorations: was.decorations.map(transaction.changes), marks: was.marks.map(transaction.changes) };
  },
  provide: (self) => EditorView.decorations.from(self, (shown) => shown.decorations),
});

export const issues: Extension = [field, gutter({ class: "cm-issueGutter", markers: (view) => view.state.field(field).marks })];
