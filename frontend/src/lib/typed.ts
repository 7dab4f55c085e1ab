/** Texts that are typed here and kept elsewhere, such as in the address. */
import { useEffect, useRef, useState } from "react";

/** Letters come faster than lists: what follows from a text waits until the hand rests. */
const REST_MS = 200;

export interface Typed {
  text: string;
  type: (text: string) => void;
  /** Tell it now, as Enter does. */
  settle: () => void;
}

/**
 * What is seen follows the hand at once, so that no letter and no place of the cursor is lost; `onChange` is told when it rests.
 * Another `value` than the ones told, such as of a link or of the way back, takes the place of what was typed.
 */
export function useTyped(value: string, onChange: (text: string) => void, restMs = REST_MS): Typed {
  const [text, setText] = useState(value);
  const told = useRef<string[]>([]);
  const latest = useRef({ value, onChange });
  latest.current = { value, onChange };
  useEffect(() => {
    const at = told.current.indexOf(value);
    // Ours, come back; one of before may come after a newer one was told.
    if (at >= 0) told.current.splice(0, at + 1);
    else {
      told.current = [];
      setText(value);
    }
  }, [value]);
  const tell = useRef((to: string) => {
    if (to === (told.current.at(-1) ?? latest.current.value)) return;
    told.current.push(to);
    latest.current.onChange(to);
  });
  useEffect(() => {
    const timer = setTimeout(() => tell.current(text), restMs);
    return () => clearTimeout(timer);
  }, [text, restMs]);
  return { text, type: setText, settle: () => tell.current(text) };
}

/** A value once it has stayed the same for a while: for questions that are dear to ask. */
export function useSettled<T extends string | number | null>(value: T, ms = 400): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
