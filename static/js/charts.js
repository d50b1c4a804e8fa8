// Draws the table of calls over time, which is there for everybody, as two charts; their colours are the page's.
const drawn = new Map();
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const CLASSES = { "2xx": "--good", "3xx": "--info", "4xx": "--warning", "5xx": "--danger" };
const PERCENTILES = { p50: "--good", p95: "--info", p99: "--warning" };
const HEIGHT = 180;

const column = (table, label) =>
  [...table.querySelectorAll(`tbody [data-label="${label}"]`)].map((cell) => (cell.dataset.value === "" ? null : Number(cell.dataset.value)));
const labels = (table, kind) => [...table.querySelectorAll(`thead [data-${kind}]`)].map((cell) => cell.dataset[kind]);
const short = (number) => (number >= 1e6 ? `${number / 1e6}M` : number >= 1e3 ? `${number / 1e3}k` : `${+number.toFixed(2)}`);

const day = uPlot.fmtDate("{D} {MMM}");
const minute = uPlot.fmtDate("{HH}:{mm}");
const second = uPlot.fmtDate("{HH}:{mm}:{ss}");
const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

function times(_, splits, __, ___, step) {
  const written = step >= 86400 ? day : step >= 60 ? minute : second;
  return splits.map((at) => (step < 86400 && at % 86400 === 0 ? day : written)(utc(at)));
}

function axes() {
  const look = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  return [{ ...look, space: 70, values: times }, { ...look, size: 52, values: (_, numbers) => numbers.map(short) }];
}

function options(place, table, series, scale) {
  const width = Number(table.dataset.width);
  return {
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    tzDate: utc,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { x: { range: (_, first, last) => [first - width * 0.2, last + width] }, y: scale },
    axes: axes(),
    series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}" }, ...series],
  };
}

// Bars stand on each other: the topmost of all classes is drawn first, those below it over it.
function classes(place, table) {
  const names = labels(table, "class").reverse();
  const starts = column(table, "From");
  const own = names.map((name) => column(table, name));
  const sums = own.map((_, first) => starts.map((_, row) => own.slice(first).reduce((sum, values) => sum + values[row], 0)));
  const series = names.map((name, index) => ({
    label: name,
    stroke: colour(CLASSES[name]),
    fill: colour(CLASSES[name]),
    paths: uPlot.paths.bars({ size: [0.85, 60], align: 1 }),
    points: { show: false },
    value: (_, __, ___, row) => (row === null ? "–" : own[index][row].toLocaleString("en")),
  }));
  return new uPlot(options(place, table, series, { range: (_, __, most) => [0, Math.max(most * 1.08, 1)] }), [starts, ...sums], place);
}

function latency(place, table) {
  const names = labels(table, "latency");
  const series = names.map((name) => ({
    label: name,
    stroke: colour(PERCENTILES[name]),
    width: 2,
    spanGaps: true,
    points: { show: true, size: 4 },
    value: (_, took) => (took === null ? "–" : `${took.toLocaleString("en")} ms`),
  }));
  const data = [column(table, "From"), ...names.map((name) => column(table, name))];
  return new uPlot(options(place, table, series, { range: (_, __, most) => [0, most * 1.08 || 1] }), data, place);
}

function draw() {
  for (const [place, plot] of drawn) {
    if (!place.isConnected) {
      plot.destroy();
      drawn.delete(place);
    }
  }
  const table = document.querySelector("[data-points]");
  if (!table) return;
  for (const place of document.querySelectorAll("[data-chart]")) {
    drawn.get(place)?.destroy();
    drawn.set(place, place.dataset.chart === "classes" ? classes(place, table) : latency(place, table));
  }
}

function fit() {
  for (const [place, plot] of drawn) if (place.isConnected) plot.setSize({ width: Math.max(place.clientWidth, 200), height: HEIGHT });
}

draw();
document.addEventListener("htmx:after:swap", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", fit);
