// Messages, framing, proofs and acks. Written from docs/protocol.md alone; the numbers in the
// comments are its sections. No input or output here.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";

import { Ext, decode, encode } from "./msgpack.mjs";

export const VERSION = 1;
export const MAX_FRAME_BYTES = 16383;
export const EMERGENCY = 2;
export const RESEND_NEVER = 0;

/** Tag, name, and the fields behind the tag; a field with `= value` may be absent (3). */
const LAYOUTS = [
  [0, "challenge", ["version", "nonce"]],
  [1, "hello", ["version", "device", "installation", "settled_through", "nonce", "proof"], { edition: 1 }],
  [
    2,
    "welcome",
    ["version", "proof", "server_time", "settled_through", "heartbeat_seconds", "window_reports", "edition"],
    { refused: [] },
  ],
  [
    3,
    "report",
    [
      ...["edition", "sequence", "observed_at", "class_code", "traits", "grid"],
      ...["lat", "lon", "accuracy_m", "pictures"],
    ],
    { text: "", component: null },
  ],
  [
    4,
    "backlog",
    [
      ...["edition", "first_sequence", "times", "class_codes", "traits", "grids"],
      ...["lats", "lons", "accuracies_m", "pictures"],
    ],
    { texts: "", components: [] },
  ],
  [5, "ack", ["through"], { ranges: [] }],
  [6, "refusal", ["code", "resend"], { sequence: 0, count: 1, retry_after_seconds: 0 }],
  [7, "track", ["edition", "sequence", "times", "lats", "lons", "accuracies_m"]],
  [8, "ping", []],
  [9, "pong", []],
  [10, "goodbye", ["reason"], { retry_after_seconds: 0 }],
  [
    16,
    "task",
    ["task", "kind", "issued_at", "expires_at", "text"],
    { case_number: "", grid: 0, lat_e5: null, lon_e5: null, pictures: [] },
  ],
  [17, "task-noted", ["task"], { what: 0 }],
  [18, "task-answer", ["task", "answer", "answered_at"], { text: "" }],
  [19, "task-receipt", ["task"], { receipt: 0 }],
  [20, "task-withdrawal", ["task"], { reason: 0 }],
].map(([tag, message, required, optional = {}]) => ({ tag, message, required, optional }));

const BY_TAG = new Map(LAYOUTS.map((layout) => [layout.tag, layout]));
const BY_NAME = new Map(LAYOUTS.map((layout) => [layout.message, layout]));

/** The body of a message, trailing fields left out where they have their value when absent (3). */
export function encodeMessage(message, fields = {}) {
  const { tag, required, optional } = BY_NAME.get(message);
  const values = [...required.map((name) => fields[name])];
  const extra = Object.keys(optional).map((name) => fields[name] ?? optional[name]);
  const absent = Object.values(optional).map(same);
  while (extra.length > 0 && same(extra.at(-1)) === absent[extra.length - 1]) extra.pop();
  return encode([tag, ...values, ...extra]);
}

/** The message in a body: its name and fields. An unknown tag gives the message "unknown" (4). */
export function decodeMessage(body) {
  const [tag, ...values] = decode(body);
  const layout = BY_TAG.get(tag);
  if (layout === undefined) return { message: "unknown", tag, fields: {} };
  const { message, required, optional } = layout;
  if (values.length < required.length) throw new RangeError(`${message} is too short`);
  const fields = {};
  for (const [i, name] of required.entries()) fields[name] = values[i];
  for (const [i, name] of Object.keys(optional).entries()) {
    const value = values[required.length + i];
    fields[name] = value === undefined ? optional[name] : value;
  }
  return { message, tag, fields };
}

const same = (value) => (value instanceof Ext ? "ext" : JSON.stringify(value));

/** A body with its length before it (2). */
export function frame(body) {
  const size = body.length;
  if (size < 1 || size > MAX_FRAME_BYTES) throw new RangeError(`a body of ${size} bytes`);
  const header = size < 0x80 ? [size] : [(size & 0x7f) | 0x80, size >> 7];
  return Buffer.concat([Buffer.from(header), body]);
}

/** Collects bytes and gives back whole bodies (2). */
export class FrameBuffer {
  #data = Buffer.alloc(0);

  feed(bytes) {
    this.#data = Buffer.concat([this.#data, bytes]);
  }

  /** The next body, or null until more bytes come. Throws on a wrong length. */
  next() {
    const data = this.#data;
    if (data.length === 0) return null;
    let size = data[0];
    let begin = 1;
    if (size >= 0x80) {
      if (data.length < 2) return null;
      if (data[1] === 0 || data[1] >= 0x80) throw new RangeError("a wrong length");
      size = (size & 0x7f) | (data[1] << 7);
      begin = 2;
    }
    if (size === 0) throw new RangeError("a frame of no bytes");
    if (data.length < begin + size) return null;
    this.#data = data.subarray(begin + size);
    return data.subarray(begin, begin + size);
  }
}

const hmac = (key, ...parts) => {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest().subarray(0, 16);
};

/** Every value from the secret to both proofs (5). The gateway's nonce is empty on MQTT. */
export function proofs({ secret, device, installation, deviceNonce, gatewayNonce }) {
  const numbers = Buffer.alloc(12);
  numbers.writeBigUInt64BE(BigInt(device), 0);
  numbers.writeUInt32BE(installation, 8);
  const transcript = Buffer.concat([
    Buffer.from("field-gateway"),
    Buffer.from([VERSION]),
    numbers,
    deviceNonce,
    gatewayNonce,
  ]);
  const deviceKey = hmac(secret, "device");
  const storedKey = createHash("sha256").update(deviceKey).digest().subarray(0, 16);
  const deviceSignature = hmac(storedKey, "device", transcript);
  const gatewayKey = hmac(secret, "gateway");
  return {
    transcript,
    deviceKey,
    storedKey,
    deviceSignature,
    deviceProof: Buffer.from(deviceKey.map((byte, i) => byte ^ deviceSignature[i])),
    gatewayKey,
    gatewayProof: hmac(gatewayKey, "gateway", transcript),
  };
}

/** Whether a welcome's proof is the expected one, in constant time (5). */
export function proofIsRight(expected, got) {
  return got.length === expected.length && timingSafeEqual(got, expected);
}

/** The password at an MQTT broker (18). */
export function mqttPassword(secret) {
  const mac = createHmac("sha256", secret).update("field-gateway mqtt password");
  return mac.digest("hex").slice(0, 32);
}

/** The runs of numbers that an ack covers, as [first, last] (12). */
export function covered({ through, ranges }) {
  const runs = through > 0 ? [[1, through]] : [];
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const [offset, count] = [ranges[i], ranges[i + 1]];
    if (offset > 0 && count > 0) runs.push([through + offset, through + offset + count - 1]);
  }
  return runs;
}
