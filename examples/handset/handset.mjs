// A small handset: greets, verifies the gateway, reports, repeats itself, is refused, says goodbye.
//
//   node examples/handset/handset.mjs --device 350000000000017 --secret 0001...1f
//       [--host 127.0.0.1] [--port 7440] [--installation N] [--class 102] [--answer N]
//       [--tls-ca FILE] [--tls-name NAME]
//
//   --device        the device number, as `gateway devices add` gave it
//   --secret        the device's secret, in hex
//   --installation  drawn at random when left out, as a freshly set-up handset does
//   --class         the event class to report; 102 is exposed refuse
//   --tls-ca        speak TLS, and trust this authority (PEM) alone
//   --tls-name      what the gateway's certificate is for, if not for --host
//   --answer        in the end, wait a minute for a task and answer it so; 1 is EXISTS
//
// Needs Node 20 and nothing else. It prints one line of JSON for each thing that happens. The exit
// code is 0 when everything went as docs/protocol.md says, 1 when it did not, 2 for wrong usage.
//
// What a real handset has besides: an outbox that survives a restart, and back-off (section 17).

import { randomBytes, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect, isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { parseArgs } from "node:util";

import {
  FrameBuffer,
  RESEND_NEVER,
  VERSION,
  covered,
  decodeMessage,
  encodeMessage,
  frame,
  proofIsRight,
  proofs,
} from "./protocol.mjs";
import { EDITION_1, packReport } from "./reports.mjs";
import { Tasks } from "./tasks.mjs";

const REPLY_TIMEOUT_SECONDS = 60;
const GOODBYE = { normal: 0, idle: 2, protocolError: 4 };
const NO_SUCH_CLASS = 9999;

class Unexpected extends Error {}

/** One TCP session. Messages that nobody asked for are dealt with while waiting for others. */
class Session {
  #frames = new FrameBuffer();
  #socket;
  #arrived = () => {};
  #end = null;
  /** Takes tasks and withdrawals: called with each while others are waited for (11). */
  onTask = () => {};

  constructor(socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#frames.feed(bytes);
      this.#arrived();
    });
    socket.on("error", (error) => this.#finish(error.message));
    socket.on("close", () => this.#finish("the connection is closed"));
  }

  send(message, fields) {
    tell("sent", { message, ...(fields?.sequence && { sequence: fields.sequence }) });
    this.#socket.write(frame(encodeMessage(message, fields)));
  }

  /** The next message with one of these names. A ping is answered; unknown messages are ignored. */
  async receive(...names) {
    for (;;) {
      const { message, fields } = decodeMessage(await this.#nextBody());
      if (message === "ping") this.send("pong");
      if (message === "task" || message === "task-withdrawal") this.onTask(message, fields);
      if (names.includes(message)) return { message, fields };
      if (message === "goodbye" || message === "refusal") {
        throw new Unexpected(`${message} ${JSON.stringify(fields)}`);
      }
    }
  }

  goodbye(reason) {
    this.send("goodbye", { reason });
    this.#socket.end();
  }

  async #nextBody() {
    for (;;) {
      const body = this.#frames.next();
      if (body !== null) return body;
      if (this.#end !== null) throw new Unexpected(this.#end);
      await this.#moreBytes();
    }
  }

  #moreBytes() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.goodbye(GOODBYE.idle);
        this.#finish(`nothing came for ${REPLY_TIMEOUT_SECONDS} seconds`);
      }, REPLY_TIMEOUT_SECONDS * 1000);
      this.#arrived = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #finish(why) {
    this.#end ??= why;
    this.#arrived();
  }
}

/** Challenge, hello, welcome (3, 5). Returns the welcome's fields once its proof is verified. */
async function greet(session, { device, secret, installation }) {
  const challenge = (await session.receive("challenge")).fields;
  if (challenge.version !== VERSION) {
    session.goodbye(GOODBYE.protocolError);
    throw new Unexpected(`the gateway speaks version ${challenge.version}`);
  }
  const nonce = randomBytes(12);
  const { deviceProof, gatewayProof } = proofs({
    secret,
    device,
    installation,
    deviceNonce: nonce,
    gatewayNonce: challenge.nonce,
  });
  session.send("hello", {
    version: VERSION,
    device,
    installation,
    settled_through: 0,
    nonce,
    proof: deviceProof,
    edition: EDITION_1.number,
  });
  const welcome = (await session.receive("welcome")).fields;
  if (!proofIsRight(gatewayProof, welcome.proof)) {
    session.goodbye(GOODBYE.protocolError);
    throw new Unexpected("the gateway does not know this device's secret: it is not ours");
  }
  tell("welcome", { settled_through: welcome.settled_through, edition: welcome.edition });
  return welcome;
}

/** Send a report and wait until it is settled: "acked", or the refusal's fields (12, 13). */
async function settle(session, report) {
  session.send("report", packReport(report));
  let refusal = null;
  for (;;) {
    const { message, fields } = await session.receive("ack", "refusal");
    if (message === "refusal") {
      const { sequence, count, resend, retry_after_seconds: seconds } = fields;
      if (sequence === 0) throw new Unexpected(`refusal ${JSON.stringify(fields)}`);
      if (report.sequence < sequence || report.sequence >= sequence + count) continue;
      if (resend === RESEND_NEVER) {
        refusal = fields;
        continue;
      }
      tell("waits", { sequence: report.sequence, code: fields.code, seconds });
      await sleep(Math.max(1, seconds) * 1000);
      session.send("report", packReport(report));
    } else if (covered(fields).some(([a, b]) => report.sequence >= a && report.sequence <= b)) {
      tell(refusal ? "refused" : "acked", { sequence: report.sequence, code: refusal?.code });
      return refusal ?? "acked";
    }
  }
}

/** Wait for a task that wants an answer, send it and wait for its receipt (11). */
async function answerTask(session, tasks, answer) {
  while (!tasks.toAnswer()) await session.receive("task");
  const { task } = tasks.toAnswer();
  session.send("task-answer", { task, answer, answered_at: Math.floor(Date.now() / 1000) });
  const { fields } = await session.receive("task-receipt");
  expect(fields.task === task && fields.receipt === 0, "the answer is accepted");
}

/** TLS 1.3 with a gateway that this authority has signed for, or plaintext without one (2). */
function open({ host, port, authority, name }) {
  if (authority === undefined) return connect({ host, port });
  const ca = readFileSync(authority);
  const servername = name ?? (isIP(host) ? "" : host);
  return connectTls({ host, port, ca, servername, minVersion: "TLSv1.3" });
}

async function run({ address, classCode, answer, ...identity }) {
  const session = new Session(open(address));
  const { settled_through: settled, server_time: serverTime } = await greet(session, identity);
  const tasks = new Tasks(serverTime, session.send.bind(session), tell);
  session.onTask = tasks.take.bind(tasks);
  const report = {
    sequence: settled + 1,
    edition: EDITION_1.number,
    observed_at: Math.floor(Date.now() / 1000),
    kind: 1,
    class_code: classCode,
    urgency: 0,
    simple: false,
    patrol: 0,
    grid: 44030700300101,
    lat_e5: 2265612,
    lon_e5: 11415123,
    accuracy_m: 8,
    description: "新木路12号门前有暴露垃圾，影响市容。",
    pictures: 0,
    component: null,
  };
  expect((await settle(session, report)) === "acked", "the report is acked");
  expect((await settle(session, report)) === "acked", "the same report is acked again");
  const bad = { ...report, sequence: report.sequence + 1, class_code: NO_SUCH_CLASS };
  const refusal = await settle(session, bad);
  expect(refusal.code === 41 && refusal.resend === RESEND_NEVER, "a bad class is refused");
  session.send("ping");
  await session.receive("pong");
  if (answer !== undefined) await answerTask(session, tasks, answer);
  session.goodbye(GOODBYE.normal);
}

function expect(condition, what) {
  if (!condition) throw new Unexpected(`not so: ${what}`);
  tell("checked", { what });
}

function tell(event, details) {
  console.log(JSON.stringify({ event, ...details }));
}

function settings() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "7440" },
      device: { type: "string" },
      secret: { type: "string" },
      installation: { type: "string" },
      class: { type: "string", default: "102" },
      answer: { type: "string" },
      "tls-ca": { type: "string" },
      "tls-name": { type: "string" },
    },
  });
  const secret = Buffer.from(values.secret ?? "", "hex");
  if (!Number(values.device) || secret.length < 16) {
    throw new TypeError("--device and --secret (16 bytes or more, in hex) are needed");
  }
  return {
    address: {
      host: values.host,
      port: Number(values.port),
      authority: values["tls-ca"],
      name: values["tls-name"],
    },
    device: Number(values.device),
    installation: Number(values.installation ?? randomInt(2 ** 31)),
    classCode: Number(values.class),
    answer: values.answer === undefined ? undefined : Number(values.answer),
    secret,
  };
}

let exitCode = 0;
try {
  await run(settings());
} catch (error) {
  console.error(`handset: ${error.message}`);
  exitCode = error instanceof Unexpected ? 1 : 2;
}
process.exitCode = exitCode;
