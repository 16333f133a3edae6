// A bubble for each street, its area by the number of reports, where the street roughly is.

import { count } from "./format.js";
import { streetName } from "./streets.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 640;
const HEIGHT = 400;
const MARGIN = 56;
const LARGEST = 46; // radius of the street with the most reports
const SMALLEST = 4; // of one with none: it is there all the same
const LINE = 14; // height of a line of a label
const LETTER = 7.2; // width of a Latin letter; a Chinese one takes twice as much
const GAP = 3;

let drawn = "";

export function drawMap(svg, streets, texts) {
  const state = JSON.stringify([texts.language, streets]);
  if (state === drawn || streets.length === 0) return;
  drawn = state;
  const bubbles = place(streets).map((bubble) => ({
    ...bubble,
    lines: [streetName(bubble.street.code, bubble.street.name, texts), count(bubble.street.reports)],
  }));
  svg.replaceChildren(...bubbles.map(circle), ...bubbles.map(emergencyMark), ...labels(bubbles));
  document.getElementById("streets").replaceChildren(...bubbles.map(row));
}

/** Equal scale in both directions; the largest first, so that none hides a smaller one. */
function place(streets) {
  const lats = streets.map((street) => street.lat);
  const lons = streets.map((street) => street.lon);
  const [south, north, west, east] = [
    Math.min(...lats), Math.max(...lats), Math.min(...lons), Math.max(...lons),
  ];
  const shrink = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min(
    (WIDTH - 2 * MARGIN) / Math.max((east - west) * shrink, 0.01),
    (HEIGHT - 2 * MARGIN) / Math.max(north - south, 0.01),
  );
  const most = Math.max(1, ...streets.map((street) => street.reports));
  return streets
    .map((street) => ({
      street,
      x: WIDTH / 2 + (street.lon - (west + east) / 2) * shrink * scale,
      y: HEIGHT / 2 - (street.lat - (south + north) / 2) * scale,
      r: Math.max(SMALLEST, LARGEST * Math.sqrt(street.reports / most)),
    }))
    .sort((a, b) => b.r - a.r);
}

function circle({ street, x, y, r }) {
  return make("circle", { class: `bubble ${street.collection}`, cx: x, cy: y, r });
}

/** Emergencies as an area of the same scale, in the middle of the street's own. */
function emergencyMark({ street, x, y, r }) {
  const share = street.reports ? Math.sqrt(street.emergencies / street.reports) : 0;
  const radius = street.emergencies ? Math.max(2, r * share) : 0;
  return make("circle", { class: "emergency", cx: x, cy: y, r: radius });
}

/** Each label below its bubble, above it or beside it: where it hides least. */
function labels(bubbles) {
  const taken = bubbles.map(({ x, y, r }) => ({
    left: x - r * 0.8, right: x + r * 0.8, top: y - r * 0.8, bottom: y + r * 0.8,
  }));
  return bubbles.map(({ x, y, r, lines }) => {
    const wide = Math.max(...lines.map(widthOf));
    const [best] = [
      { x, y: y + r + GAP },
      { x, y: y - r - GAP - 2 * LINE },
      { x: x + r + GAP + wide / 2, y: y - LINE },
      { x: x - r - GAP - wide / 2, y: y - LINE },
    ]
      .map((spot) => ({ ...spot, box: boxOf(spot, wide) }))
      .map((spot) => ({ ...spot, hidden: hiddenBy(spot.box, taken) }))
      .sort((a, b) => a.hidden - b.hidden);
    taken.push(best.box);
    return label(best, lines);
  });
}

function boxOf({ x, y }, wide) {
  return { left: x - wide / 2, right: x + wide / 2, top: y, bottom: y + 2 * LINE };
}

function hiddenBy(box, taken) {
  const outside =
    Math.max(0, -box.left) + Math.max(0, box.right - WIDTH) +
    Math.max(0, -box.top) + Math.max(0, box.bottom - HEIGHT);
  return taken.reduce((sum, other) => {
    const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
    const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
    return sum + (wide > 0 && high > 0 ? wide * high : 0);
  }, outside * 100);
}

function widthOf(text) {
  return [...text].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 2 : 1) * LETTER, 0);
}

function label({ x, y }, [name, reports]) {
  const group = make("g", { class: "label", "text-anchor": "middle" });
  const first = make("text", { x, y: y + LINE - 3 });
  const second = make("text", { class: "count", x, y: y + 2 * LINE - 3 });
  first.textContent = name;
  second.textContent = reports;
  group.append(first, second);
  return group;
}

function row({ street, lines }) {
  const element = document.createElement("tr");
  element.dataset.street = street.code;
  for (const text of [...lines, count(street.emergencies)]) {
    element.insertCell().textContent = text;
  }
  return element;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === "number" ? value.toFixed(1) : value);
  }
  return element;
}
