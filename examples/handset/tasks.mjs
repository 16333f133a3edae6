// The inspector's tasks. Written from docs/protocol.md, section 11. A real handset keeps the numbers,
// and answers without a receipt, durably: it writes before it sends.

import { readText } from "./reports.mjs";

const NOTED = { received: 0, withdrawn: 1 };
const NOTICE = 2;

export class Tasks {
  #byNumber = new Map();
  #aheadSeconds;
  #send;
  #show;

  /** `serverTime` of the welcome; `send(message, fields)`; `show(event, details)` to the inspector. */
  constructor(serverTime, send, show) {
    this.#aheadSeconds = serverTime - Date.now() / 1000;
    this.#send = send;
    this.#show = show;
  }

  /** Take a task or a withdrawal: note it each time, show it once, and not after its expiry. */
  take(message, fields) {
    const number = fields.task;
    if (message === "task-withdrawal") {
      this.#byNumber.set(number, null);
      this.#show("withdrawn", { task: number });
    } else if (!this.#byNumber.has(number)) {
      if (fields.expires_at <= Date.now() / 1000 + this.#aheadSeconds) return;
      this.#byNumber.set(number, fields);
      this.#show("task", { task: number, kind: fields.kind, text: readText(fields.text) });
    }
    const what = this.#byNumber.get(number) === null ? NOTED.withdrawn : NOTED.received;
    this.#send("task-noted", { task: number, what });
  }

  /** The first task that is not withdrawn and wants an answer, or undefined. */
  toAnswer() {
    return [...this.#byNumber.values()].find((task) => task !== null && task.kind < NOTICE);
  }
}
