/** Chart.js as its documentation says for many points: parsed, sorted and normalised data, no animation, min-max decimation. */
import { Chart, Decimation, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip } from "chart.js";
import { CHARTS, HEIGHT, POINTS, WIDTH, walk } from "./walk";

Chart.register(Decimation, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);

const root = document.getElementById("root");
const walks = Array.from({ length: CHARTS }, (_, index) => walk(index + 1));
let last = 0;
const data = walks.map((): { x: number; y: number }[] => []);

function more(points: number): void {
  for (let index = 0; index < points; index += 1) {
    last += 1;
    for (const [chart, next] of walks.entries()) data[chart]?.push({ x: last, y: next() });
  }
}
more(POINTS);

const charts = data.map((points, index) => {
  const room = document.createElement("div");
  room.style.width = `${WIDTH}px`;
  room.style.height = `${HEIGHT}px`;
  const canvas = document.createElement("canvas");
  room.append(canvas);
  root?.append(room);
  return new Chart(canvas, {
    type: "line",
    data: { datasets: [{ label: `metric_${index}`, data: points, borderWidth: 1, pointRadius: 0 }] },
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: { x: { type: "linear", min: 0, max: POINTS } },
      plugins: { decimation: { enabled: true, algorithm: "min-max" } },
    },
  });
});

function look(from: number, to: number): void {
  for (const chart of charts) {
    const { x } = chart.options.scales ?? {};
    if (x) Object.assign(x, { min: from * last, max: to * last });
    chart.update("none");
  }
}

window.bench = {
  ready: true,
  append: (points) => {
    more(points);
    look(0, 1);
  },
  zoom: look,
};
