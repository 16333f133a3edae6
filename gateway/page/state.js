// Whether what stands there is of now. Told to screen readers only when it changes.

import { moment } from "./format.js";

export function showState(figures, isConnected, texts) {
  const state = stateOf(figures, isConnected);
  document.body.dataset.state = state;
  const text = describe(state, figures, texts);
  const element = document.getElementById("status");
  if (element.textContent !== text) element.textContent = text;
}

function stateOf(figures, isConnected) {
  if (isConnected === null) return "loading";
  if (!isConnected) return "gone";
  return figures.database ? "live" : "database";
}

function describe(state, figures, texts) {
  if (state === "gone") {
    if (figures === null) return texts.of("state_never");
    return texts.of("state_gone", { time: moment(figures.database_at ?? figures.at) });
  }
  if (state === "database") {
    if (figures.database_at === null) return texts.of("state_database_never");
    return texts.of("state_database", { time: moment(figures.database_at) });
  }
  return texts.of(state === "live" ? "state_live" : "state_loading");
}
