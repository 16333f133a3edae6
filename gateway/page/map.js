// A bubble for each street, its area by the number of reports, where the street roughly is.

import { count } from "./format.js";
import { streetName } from "./streets.js";

const SVG = "http://www.w3.org/2000/svg";
const LARGEST = 0.09; // radius of the street with the most reports, as a share of the map's side
const SMALLEST = 4; // radius of a street without reports: it is there all the same
const LINE = 14; // height of a line of a label
const LETTER = 7; // width of a Latin letter; a Chinese one takes twice as much
const GAP = 2;
const KM_PER_DEGREE = 111.2;
const SCALE_KM = 10;

let drawn = "";

export function drawMap(svg, streets, texts) {
  const size = { width: svg.clientWidth, height: svg.clientHeight };
  const state = JSON.stringify([texts.language, streets, size]);
  if (state === drawn || streets.length === 0 || !size.width) return;
  drawn = state;
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  const { bubbles, pixelsPerKm } = place(streets, size);
  for (const bubble of bubbles) {
    const { code, name, reports } = bubble.street;
    bubble.lines = [streetName(code, name, texts), count(reports)];
    bubble.holdsLabel = Math.max(...bubble.lines.map(widthOf)) < 1.85 * bubble.r;
  }
  svg.replaceChildren(
    ...scaleBar(size, pixelsPerKm),
    ...bubbles.map(circle),
    ...bubbles.map(emergencyMark),
    ...labels(bubbles, size),
  );
  document.getElementById("streets").replaceChildren(...bubbles.map(row));
}

/** Equal scale in both directions; the largest first, so that none hides a smaller one. */
function place(streets, { width, height }) {
  const lats = streets.map((street) => street.lat);
  const lons = streets.map((street) => street.lon);
  const [south, north, west, east] = [
    Math.min(...lats), Math.max(...lats), Math.min(...lons), Math.max(...lons),
  ];
  const largest = LARGEST * Math.min(width, height);
  const margin = largest + LINE;
  const shrink = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min(
    (width - 2 * margin) / Math.max((east - west) * shrink, 0.01),
    (height - 2 * margin) / Math.max(north - south, 0.01),
  );
  const most = Math.max(1, ...streets.map((street) => street.reports));
  const bubbles = streets.map((street) => ({
    street,
    x: width / 2 + (street.lon - (west + east) / 2) * shrink * scale,
    y: height / 2 - (street.lat - (south + north) / 2) * scale,
    r: Math.max(SMALLEST, largest * Math.sqrt(street.reports / most)),
  }));
  return { bubbles: bubbles.sort((a, b) => b.r - a.r), pixelsPerKm: scale / KM_PER_DEGREE };
}

function scaleBar({ height }, pixelsPerKm) {
  const wide = SCALE_KM * pixelsPerKm;
  const bar = make("path", { class: "scale", d: `M1 ${height - 5}v4h${wide.toFixed(1)}v-4` });
  const text = make("text", { class: "scale", x: wide + 6, y: height - 1 });
  text.textContent = `${SCALE_KM} km`;
  return [bar, text];
}

function circle({ street, x, y, r }) {
  return make("circle", { class: `bubble ${street.collection}`, cx: x, cy: y, r });
}

/** Emergencies as an area of the same scale, in the street's own, out of the way of its label. */
function emergencyMark({ street, x, y, r, holdsLabel }) {
  const share = street.reports ? Math.sqrt(street.emergencies / street.reports) : 0;
  const radius = street.emergencies ? Math.max(2, r * share) : 0;
  const up = holdsLabel ? Math.max(LINE + radius, 0.6 * r) : 0;
  return make("circle", { class: "emergency", cx: x, cy: y - up, r: radius });
}

/** Each label in its bubble if it fits, else around it, where it hides least. The smallest choose
 *  first: they stand closest together. */
function labels(bubbles, size) {
  const taken = bubbles.map(({ x, y, r }) => ({
    left: x - r * 0.8, right: x + r * 0.8, top: y - r * 0.8, bottom: y + r * 0.8,
  }));
  return [...bubbles].reverse().map(({ x, y, r, lines, holdsLabel }) => {
    if (holdsLabel) return label({ x, y: y - LINE }, lines);
    const wide = Math.max(...lines.map(widthOf));
    const aside = r + GAP + wide / 2;
    const [best] = [
      { x, y: y + r + GAP },
      { x, y: y - r - GAP - 2 * LINE },
      { x: x + aside, y: y - LINE },
      { x: x - aside, y: y - LINE },
      { x: x + aside, y },
      { x: x - aside, y },
      { x: x + aside, y: y - 2 * LINE },
      { x: x - aside, y: y - 2 * LINE },
    ]
      .map((spot) => ({ ...spot, box: boxOf(spot, wide) }))
      .map((spot) => ({ ...spot, hidden: hiddenBy(spot.box, taken, size) }))
      .sort((a, b) => a.hidden - b.hidden);
    taken.push(best.box);
    return label(best, lines);
  });
}

function boxOf({ x, y }, wide) {
  return { left: x - wide / 2, right: x + wide / 2, top: y, bottom: y + 2 * LINE };
}

function hiddenBy(box, taken, { width, height }) {
  const outside =
    Math.max(0, -box.left) + Math.max(0, box.right - width) +
    Math.max(0, -box.top) + Math.max(0, box.bottom - height);
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
