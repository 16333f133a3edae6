// Two charts of the last ten minutes, drawn by uPlot (vendor/), in the colours of the style sheet.

import { clock, milliseconds, rate } from "./format.js";

/* global uPlot */

const KEPT = 300; // samples: ten minutes
const GAP = 3; // so many samples missing, and the line is interrupted

// Steps of the vertical axis: whole tenths at least, because that is how figures are written.
const STEPS = [-1, 0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

const CHARTS = [
  { id: "rate-chart", show: rate, series: [{ of: "stored_per_second", color: "--accent", fill: true }] },
  {
    id: "latency-chart",
    show: milliseconds,
    series: [
      { of: "p50_ms", color: "--p50" },
      { of: "p95_ms", color: "--p95" },
      { of: "p99_ms", color: "--p99" },
    ],
  },
];

const NOW = [
  ["rate-now", "stored_per_second", rate],
  ["p50-now", "p50_ms", milliseconds],
  ["p95-now", "p95_ms", milliseconds],
  ["p99-now", "p99_ms", milliseconds],
];

export function makeCharts() {
  const samples = [];
  let plots = CHARTS.map((chart) => plot(chart, samples));
  const redraw = () => {
    plots.forEach((each) => each.destroy());
    plots = CHARTS.map((chart) => plot(chart, samples));
  };
  // Colours are drawn into the picture: another scheme needs another one.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const index = CHARTS.findIndex(({ id }) => id === target.id);
      plots[index].setSize(sizeOf(contentRect));
    }
  });
  CHARTS.forEach(({ id }) => resized.observe(document.getElementById(id)));
  return {
    lastAt: () => samples.at(-1)?.at ?? 0,
    add(more, everySeconds) {
      for (const sample of more) {
        const last = samples.at(-1);
        if (last && sample.at - last.at > GAP * everySeconds * 1000) samples.push({ at: last.at + 1 });
        samples.push(sample);
      }
      samples.splice(0, Math.max(0, samples.length - KEPT));
      plots.forEach((each, index) => each.setData(columns(CHARTS[index], samples)));
      showNow(samples.at(-1));
    },
  };
}

function showNow(sample) {
  for (const [id, name, format] of NOW) {
    document.getElementById(id).textContent = sample ? format(sample[name]) : "–";
  }
}

function columns({ series }, samples) {
  return [
    samples.map((sample) => sample.at / 1000),
    ...series.map(({ of }) => samples.map((sample) => sample[of] ?? null)),
  ];
}

function plot(chart, samples) {
  const element = document.getElementById(chart.id);
  const style = getComputedStyle(document.body);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--muted"),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  const options = {
    ...sizeOf(element.getBoundingClientRect()),
    padding: [8, 28, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [
      { ...axis, size: 24, space: 90, grid: { show: false }, values: (_, times) => times.map((time) => clock(time * 1000)) },
      { ...axis, size: 48, space: 28, incrs: STEPS, values: (_, values) => values.map(chart.show) },
    ],
    series: [
      {},
      ...chart.series.map((series) => ({
        stroke: color(series.color),
        fill: series.fill ? `${color(series.color)}22` : undefined,
        width: 1.75,
        points: { show: false },
      })),
    ],
  };
  return new uPlot(options, columns(chart, samples), element);
}

function sizeOf({ width, height }) {
  return { width: Math.max(60, Math.floor(width)), height: Math.max(60, Math.floor(height)) };
}
