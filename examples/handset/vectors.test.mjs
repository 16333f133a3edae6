// Holds this client against docs/vectors.json. Run: node --test examples/handset/

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Ext, decode, encode } from "./msgpack.mjs";
import {
  FrameBuffer,
  covered,
  decodeMessage,
  encodeMessage,
  frame,
  mqttPassword,
  proofs,
} from "./protocol.mjs";
import {
  dictionary,
  packReport,
  readText,
  sums,
  unpackBacklog,
  unpackReport,
} from "./reports.mjs";

const read = (name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const vectors = JSON.parse(read("vectors.json"));
const hex = (text) => Buffer.from(text, "hex");

test("the dictionary is the one that the document names", () => {
  const sha256 = createHash("sha256").update(dictionary()).digest("hex");
  assert.ok(read("protocol.md").includes(sha256));
});

/** A decoded field as the vectors write it. */
function plain(value, reports) {
  if (value instanceof Ext) return { form: "gb18030", text: readText(value) };
  if (Buffer.isBuffer(value)) return value.toString("hex");
  return reports === undefined ? value : { form: "utf8", text: value };
}

function plainFields({ message, fields }) {
  const entries = Object.entries(fields).map(([name, value]) => {
    if (name !== "text" && name !== "texts") return [name, plain(value)];
    const reports = name === "texts" ? fields.times.length : 1;
    const form = Buffer.isBuffer(value) ? { form: "deflate", text: readText(value, reports) } : null;
    return [name, form ?? plain(value, reports)];
  });
  return { message, fields: Object.fromEntries(entries) };
}

for (const vector of vectors.frames) {
  const body = hex(vector.body);

  test(`frame ${vector.name}: read`, () => {
    const got = decodeMessage(body);
    assert.equal(got.tag, vector.meaning.tag);
    const { message, fields } = vector.meaning;
    assert.deepEqual(plainFields(got), { message, fields });
  });

  test(`frame ${vector.name}: length`, () => {
    assert.equal(frame(body).toString("hex"), vector.tcp_frame);
    const buffer = new FrameBuffer();
    for (const byte of hex(vector.tcp_frame)) {
      assert.equal(buffer.next(), null);
      buffer.feed(Buffer.from([byte]));
    }
    assert.equal(buffer.next().toString("hex"), vector.body);
  });

  if (vector.canonical) {
    test(`frame ${vector.name}: write`, () => {
      const { message, fields } = decodeMessage(body);
      assert.equal(encodeMessage(message, fields).toString("hex"), vector.body);
    });
  }

  if (vector.reports) {
    test(`frame ${vector.name}: full values`, () => {
      const { message, fields } = decodeMessage(body);
      const got = message === "backlog" ? unpackBacklog(fields) : [unpackReport(fields)];
      assert.deepEqual(got, vector.reports);
      if (message === "report") {
        const { text, ...packed } = packReport(vector.reports[0]);
        const { text: _, ...sent } = fields;
        assert.deepEqual(packed, sent);
        assert.equal(text, vector.reports[0].description);
      }
    });
  }

  if (vector.track) {
    test(`frame ${vector.name}: points`, () => {
      const { fields } = decodeMessage(body);
      const { lat0_e5: lat0, lon0_e5: lon0 } = vectors.edition;
      const [times, lats, lons] = ["times", "lats", "lons"].map((name) => sums(fields[name]));
      const points = times.map((time, i) => ({
        observed_at: time,
        lat_e5: lats[i] + lat0,
        lon_e5: lons[i] + lon0,
        accuracy_m: fields.accuracies_m[i],
      }));
      assert.deepEqual(points, vector.track.points);
    });
  }
}

for (const vector of vectors.texts) {
  test(`text ${vector.name}`, () => {
    for (const bytes of Object.values(vector.forms)) {
      assert.equal(readText(decode(hex(bytes))), vector.text);
    }
    assert.equal(encode(vector.text).toString("hex"), vector.forms.utf8);
  });
}

for (const vector of vectors.proofs) {
  test(`proof ${vector.name}`, () => {
    const secret = hex(vector.secret);
    const got = proofs({
      secret,
      device: vector.device,
      installation: vector.installation,
      deviceNonce: hex(vector.device_nonce),
      gatewayNonce: hex(vector.gateway_nonce),
    });
    const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    for (const [name, value] of Object.entries(got)) {
      assert.equal(value.toString("hex"), vector[snake(name)], name);
    }
    assert.equal(mqttPassword(secret), vector.mqtt_password);
  });
}

for (const vector of vectors.acks) {
  test(`ack ${vector.name}`, () => {
    assert.deepEqual(covered(decodeMessage(hex(vector.body)).fields), vector.covered);
  });
}

test("a wrong length is known as such", () => {
  const wrong = vectors.bad_frames.filter((vector) => vector.body === null);
  assert.ok(wrong.length > 0);
  for (const vector of wrong) {
    const buffer = new FrameBuffer();
    buffer.feed(hex(vector.tcp_frame));
    assert.throws(() => buffer.next(), RangeError, vector.name);
  }
});

test("a body that is no message is known as such", () => {
  const names = ["bytes-after-the-array", "array-cut-short", "map", "not-an-array"];
  for (const name of names) {
    const vector = vectors.bad_frames.find((bad) => bad.name === name);
    assert.throws(() => decodeMessage(hex(vector.body)), Error, name);
  }
});
