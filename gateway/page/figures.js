// The single numbers: progress, ledger, devices, tasks.

import { count, percent } from "./format.js";

const UNKNOWN = "–";

export function showFigures(figures, texts) {
  const isKnown = figures.database_at !== null;
  const derived = {
    ...figures,
    emergencies_counted: figures.streets.reduce((sum, street) => sum + street.emergencies, 0),
    tasks_open: figures.tasks.queued + figures.tasks.sent + figures.tasks.received,
  };
  for (const element of document.querySelectorAll("[data-figure]")) {
    setText(element, isKnown ? count(at(derived, element.dataset.figure)) : UNKNOWN);
  }
  setText(document.getElementById("gateway"), figures.gateway);
  document.getElementById("today").hidden = figures.played;
  showProgress(figures, isKnown, texts);
  showSplit(figures.streets, isKnown);
  showVerdict(figures.ledger, isKnown, texts);
  const { uncounted } = figures;
  const behind = uncounted ? texts.of("uncounted", { uncounted: count(uncounted) }) : "";
  setText(document.getElementById("uncounted"), behind);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The period's words: of a simulation the days that it stands for, else this month. */
export function ofPeriod(figures, played, month, texts) {
  if (figures.period === null) return "";
  return texts.of(figures.played ? played : month, figures.period);
}

function at(figures, path) {
  return path.split(".").reduce((part, name) => part[name], figures);
}

function showProgress(figures, isKnown, texts) {
  setText(document.getElementById("progress-title"), ofPeriod(figures, "quarter", "month", texts));
  const { stored } = figures.ledger;
  const { expected } = figures;
  const bar = document.getElementById("bar");
  bar.hidden = expected === null;
  if (expected === null) {
    setText(document.getElementById("of"), "");
    return;
  }
  const share = isKnown ? percent(Math.min(stored, expected), expected) : 0;
  const values = { expected: count(expected), percent: share };
  setText(document.getElementById("of"), texts.of("of", values));
  bar.setAttribute("aria-valuenow", share);
  bar.firstElementChild.style.width = `${share}%`;
}

/** How much comes from streets of each way of collecting, as far as it is counted. */
function showSplit(streets, isKnown) {
  const sum = (some) => some.reduce((total, street) => total + street.reports, 0);
  const all = sum(streets);
  for (const collection of ["market", "self"]) {
    const own = sum(streets.filter((street) => street.collection === collection));
    const share = all ? ` · ${((100 * own) / all).toFixed(1)} %` : "";
    setText(document.getElementById(`split-${collection}`), isKnown ? count(own) + share : UNKNOWN);
  }
}

function showVerdict(ledger, isKnown, texts) {
  const { received, stored, duplicate, quarantined, refused, in_flight } = ledger;
  const closes = received === stored + duplicate + quarantined + refused + in_flight;
  const element = document.getElementById("closes");
  element.classList.toggle("wrong", !closes);
  setText(element, isKnown ? texts.of(closes ? "closes" : "open") : "");
}
