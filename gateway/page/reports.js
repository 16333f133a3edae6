// A list of reports. What inspectors wrote is foreign text: it goes in as text, never as markup.

import { moment, wholeMoment } from "./format.js";
import { streetName } from "./streets.js";

const shownBefore = new WeakMap();

export function showReports(list, reports, texts) {
  const few = reports.slice(0, list.dataset.most);
  const keys = few.map(keyOf);
  const before = shownBefore.get(list);
  const state = JSON.stringify([texts.language, few.map((report) => [report, moment(report.observed_at)])]);
  if (before?.state === state) return;
  shownBefore.set(list, { state, keys: new Set(keys) });
  if (few.length === 0) {
    list.replaceChildren(element("li", "none", texts.of("none")));
    return;
  }
  list.replaceChildren(
    ...few.map((report, index) => item(report, before && !before.keys.has(keys[index]), texts)),
  );
}

function keyOf(report) {
  return `${report.device}/${report.installation}/${report.sequence}`;
}

function item(report, isNew, texts) {
  const entry = element("li", report.urgency);
  entry.classList.toggle("new", Boolean(isNew));
  const time = element("time", "", moment(report.observed_at));
  time.dateTime = report.observed_at;
  time.title = wholeMoment(report.observed_at);
  const head = element("p", "head");
  if (report.urgency === "emergency") head.append(element("strong", "", texts.of("emergency")), " ");
  head.append(
    element("span", "street", streetName(report.street_code, report.street, texts)), " ",
    element("span", "class", report.class_name || `${texts.of(report.kind)} ${report.class_code}`), " ",
    element("span", "device", report.device),
  );
  head.lastChild.title = texts.of("device", { device: report.device });
  entry.append(time, head, element("p", "text", report.description));
  entry.lastChild.lang = "zh-CN";
  return entry;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
