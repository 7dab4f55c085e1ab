/** Ties the rows of a log to a scrolling element: where it stands, what is drawn, whether it follows the end. */
import {
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { Lines } from "./lines";
import { ROW, ScrollSpace } from "./scroll";

const OVERSCAN = 4;
/** So long after the last movement the bar is put back to where it belongs. */
const REST_MS = 140;

export interface LogScroll {
  scroller: RefObject<HTMLDivElement | null>;
  sizer: RefObject<HTMLDivElement | null>;
  body: RefObject<HTMLDivElement | null>;
  range: readonly [number, number];
  view: number;
  following: boolean;
  /** Lines that came since it stopped following. */
  unseen: number;
  goTo: (number: number) => Promise<void>;
  toEnd: () => void;
  toStart: () => void;
  onScroll: () => void;
}

export function useLogScroll(lines: Lines, wrap: boolean, startAt: number | null): LogScroll {
  useSyncExternalStore(lines.subscribe, lines.snapshot);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [following, setFollowing] = useState(startAt === null);
  const scroller = useRef<HTMLDivElement>(null);
  const sizer = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const rest = useRef<ReturnType<typeof setTimeout>>(undefined);
  const drawing = useRef(0);
  const shifted = useRef(lines.shifted);
  const seen = useRef(lines.arrived);
  const target = useRef<number | null>(startAt);

  // Only wrapped lines have heights of their own; they are known by number, whatever is filtered.
  const { space, heights } = useMemo(() => {
    const heights = new Map<number, number>();
    return { heights, space: new ScrollSpace((row) => (wrap ? heights.get(lines.numberOf(row) ?? -1) : undefined)) };
  }, [lines, wrap]);

  const place = useCallback(() => {
    const element = scroller.current;
    if (!element || !sizer.current) return;
    const height = `${space.size}px`;
    if (sizer.current.style.height !== height) sizer.current.style.height = height;
    if (Math.abs(element.scrollTop - space.place) >= 1) element.scrollTop = space.place;
    space.placed(element.scrollTop);
  }, [space]);

  const settle = useCallback(() => {
    clearTimeout(rest.current);
    rest.current = setTimeout(() => {
      rest.current = undefined;
      place();
    }, REST_MS);
  }, [place]);

  const draw = useCallback(() => {
    if (drawing.current) return;
    drawing.current = requestAnimationFrame(() => {
      drawing.current = 0;
      redraw();
    });
  }, []);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const at = space.place;
    const back = space.scrolled(element.scrollTop);
    if (back) place();
    // The echo of a bar that was put somewhere is no movement of the reader.
    if (Math.abs(space.place - at) >= 0.5) setFollowing(space.atEnd && lines.hasEnd);
    settle();
    draw();
  }, [space, place, settle, draw, lines]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      heights.clear();
      space.view = element.clientHeight;
      redraw();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      clearTimeout(rest.current);
      cancelAnimationFrame(drawing.current);
      drawing.current = 0;
    };
  }, [space, heights]);

  // What changed since the last drawing: rows put before the first, rows at the end, a line to go to.
  space.rows = lines.rows;
  if (lines.shifted !== shifted.current) {
    space.shift(lines.shifted - shifted.current);
    shifted.current = lines.shifted;
  }
  if (space.view > 0 && lines.ready) {
    if (target.current !== null) space.toRow(lines.rowNear(target.current));
    else if (following) space.toEnd();
    target.current = null;
  }
  if (following) seen.current = lines.arrived;
  const [from, to] = space.range(OVERSCAN);

  useLayoutEffect(() => {
    const content = body.current;
    if (!content) return;
    if (wrap) measure(content, heights, space);
    if (wrap && following) space.toEnd();
    const anchor = wrap ? (content.children[space.row - from] as HTMLElement | undefined)?.offsetTop : (space.row - from) * ROW;
    content.style.transform = `translateY(${-Math.round((anchor ?? 0) + space.px)}px)`;
    lines.need(from, to);
    // While the reader moves the bar it is theirs.
    if (rest.current === undefined || following) place();
  });

  const goTo = useCallback(
    async (number: number) => {
      await lines.goTo(number);
      setFollowing(false);
      target.current = number;
      if (space.shows(lines.rowNear(number))) target.current = null;
      redraw();
    },
    [lines, space],
  );
  const toEnd = useCallback(() => {
    void lines.goToEnd().then(() => {
      target.current = null;
      setFollowing(true);
      redraw();
    });
  }, [lines]);
  const toStart = useCallback(() => {
    setFollowing(false);
    void lines.goTo(1).then(() => {
      space.row = 0;
      space.px = 0;
      place();
      redraw();
    });
  }, [lines, space, place]);

  return {
    scroller,
    sizer,
    body,
    range: [from, to],
    view: space.view,
    following,
    unseen: lines.arrived - seen.current,
    goTo,
    toEnd,
    toStart,
    onScroll,
  };
}

function measure(content: HTMLElement, heights: Map<number, number>, space: ScrollSpace): void {
  let sum = 0;
  for (const row of content.children) {
    const height = (row as HTMLElement).offsetHeight;
    sum += height;
    if (row instanceof HTMLElement && row.dataset.line) heights.set(Number(row.dataset.line), height);
  }
  // The first look says how large rows are; later ones would make the bar jump.
  if (space.mean === ROW && content.children.length > 0) space.mean = sum / content.children.length;
  if (heights.size > 5000) heights.clear();
}
