// What was spent, what SMS would have cost, and every tariff. All sums are the gateway's own.

import { count, money } from "./format.js";
import { ofPeriod, setText } from "./figures.js";

const PER_REPORT = 1; // the column that a phone has no room for

const byId = (id) => document.getElementById(id);

export function showBill(figures, texts) {
  setText(byId("money-title"), ofPeriod(figures, "money_played", "money_month", texts));
  const { bill } = figures;
  byId("no-bill").hidden = bill !== null;
  byId("bill").hidden = bill === null;
  if (bill === null) return;
  showBeside(bill, figures, texts);
  byId("tariffs").replaceChildren(...bill.lines.map((line) => row(line, figures.in_force)));
  byId("bill-note").textContent = note(bill, texts);
}

function showBeside(bill, { in_force: inForce, uncounted }, texts) {
  const spent = bill.lines.find((line) => line.tariff === inForce);
  const sms = bill.lines.find((line) => line.is_sms && line.currency === spent?.currency);
  for (const [id, line] of [["spent", spent], ["sms", sms]]) {
    byId(`${id}-name`).textContent = line ? line.name : "";
    byId(`${id}-cost`).textContent = line ? money(line.cost, line.currency) : "–";
    byId(`${id}-bar`).style.width = `${width(line, [spent, sms])}%`;
  }
  const { saving = null, saving_percent = null, currency } = spent ?? {};
  const isDearer = saving !== null && saving.startsWith("-");
  byId("saving").textContent = saving === null ? "–" : money(magnitude(saving), currency);
  byId("bill").classList.toggle("dearer", isDearer);
  byId("bill").classList.toggle("unfinished", uncounted > 0);
  byId("saved").textContent = texts.of(isDearer ? "dearer" : "saved") + (uncounted > 0 ? texts.of("so_far") : "");
  byId("saving-percent").textContent = saving_percent === null ? "–" : share(magnitude(saving_percent));
}

function magnitude(amount) {
  return amount.replace("-", "");
}

function share(percent) {
  return `${percent.replace("-", "−")} %`;
}

/** Of the wider bar, in percent: for the eye only, so a float is good enough. */
function width(line, lines) {
  const most = Math.max(...lines.map((other) => Number(other?.cost ?? 0)));
  return line && most > 0 ? (100 * Number(line.cost)) / most : 0;
}

function row(line, inForce) {
  const sum = (amount) => (amount === null ? "–" : money(amount, line.currency));
  const element = document.createElement("tr");
  element.classList.toggle("in-force", line.tariff === inForce);
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = line.assumption ? `${line.name} *` : line.name;
  const cells = [
    sum(line.cost),
    sum(line.per_report),
    sum(line.a_year),
    line.is_sms || line.saving_percent === null ? "–" : share(line.saving_percent),
  ].map((text, index) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (index === PER_REPORT) cell.className = "wide";
    return cell;
  });
  element.append(name, ...cells);
  return element;
}

function note(bill, texts) {
  const { totals } = bill;
  const values = {
    reports: count(totals.reports),
    bytes: totals.bytes_per_report ?? "–",
    sms: count(totals.sms_segments_up + totals.sms_segments_down),
  };
  const assumed = bill.lines.some((line) => line.assumption) ? ` ${texts.of("assumption")}` : "";
  return texts.of("bill_note", values) + assumed;
}
