// Asks the gateway again and again, and hands what comes to the parts of the page.

import { makeCharts } from "./charts.js";
import { showBill } from "./bill.js";
import { showFigures } from "./figures.js";
import { drawMap } from "./map.js";
import { showReports } from "./reports.js";
import { keepAsking } from "./poll.js";
import { loadTexts, translatePage } from "./texts.js";
import { showState } from "./state.js";

const texts = await loadTexts();
const charts = makeCharts();
let figures = null;
let isConnected = null; // not known before the first answer

function show() {
  showState(figures, isConnected, texts);
  if (figures === null) return;
  showFigures(figures, texts);
  showBill(figures, texts);
  drawMap(document.getElementById("map"), figures.streets, texts);
  showReports(document.getElementById("emergencies"), figures.emergencies, texts);
  showReports(document.getElementById("newest"), figures.newest, texts);
}

document.getElementById("language").addEventListener("click", () => {
  texts.change();
  translatePage(texts);
  show();
});

new ResizeObserver(show).observe(document.getElementById("map"));
translatePage(texts);
show();
keepAsking({
  after: () => charts.lastAt(),
  came(answer) {
    figures = answer;
    isConnected = true;
    charts.add(answer.pulse, answer.pulse_seconds);
    show();
  },
  failed() {
    isConnected = false;
    show();
  },
});
