import { useState } from "react";
import { createRoot } from "react-dom/client";
import { MetricStore } from "@/features/job/overview";
import { Chart, ChartGroup, type ChartSource, type Range } from "@/ui/chart";
import { CHARTS, HEIGHT, POINTS, WIDTH, walk } from "./walk";
import "@/styles/base.css";

const store = new MetricStore();
const walks = Array.from({ length: CHARTS }, (_, index) => walk(index + 1));
const keys = walks.map((_, index) => `metric_${index}`);
let last = 0;

function more(points: number) {
  const steps = Array.from({ length: points }, (_, index) => last + index + 1);
  last += points;
  return walks.map((next, index) => ({ key: keys[index] ?? "", steps, values: steps.map(next) }));
}

store.load(more(POINTS));

const sources: ChartSource[] = keys.map((key) => ({
  subscribe: store.subscribe,
  read: () => {
    const column = store.get(key);
    return column ? [{ key, label: key, color: "--run-2", ...column }] : [];
  },
}));

function Bench() {
  const [range, setRange] = useState<Range | null>(null);
  window.bench = {
    ready: true,
    append: (points) => store.take([{ attempt: 1, series: more(points) }]),
    zoom: (from, to) => setRange([from * last, to * last]),
  };
  return (
    <ChartGroup range={range} onRange={setRange}>
      {sources.map((source, index) => (
        <div key={keys[index]} style={{ width: WIDTH }}>
          <Chart title={keys[index] ?? ""} source={source} height={HEIGHT} smoothing={0.9} />
        </div>
      ))}
    </ChartGroup>
  );
}

const root = document.getElementById("root");
if (root) createRoot(root).render(<Bench />);
