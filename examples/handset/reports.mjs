// Reports in full values, and their texts. Written from docs/protocol.md alone; the numbers in the
// comments are its sections.

import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";

import { Ext } from "./msgpack.mjs";

/** The constants of edition 1 (7). */
export const EDITION_1 = {
  number: 1,
  district: 440307n,
  lat0E5: 2265000,
  lon0E5: 11429000,
  gridDigits: 14n,
  classDigits: 4n,
};

/** A report in full values as the fields of its message, with its text in UTF-8 (7, 8). */
export function packReport(report, edition = EDITION_1) {
  return {
    edition: report.edition,
    sequence: report.sequence,
    observed_at: report.observed_at,
    class_code: report.class_code,
    traits: report.kind + 2 * report.urgency + 8 * Number(report.simple) + 16 * report.patrol,
    grid: Number(BigInt(report.grid) - gridBase(edition)),
    lat: report.lat_e5 - edition.lat0E5,
    lon: report.lon_e5 - edition.lon0E5,
    accuracy_m: report.accuracy_m,
    pictures: report.pictures,
    text: report.description,
    component: packComponent(report, edition),
  };
}

/** The full values of a report message (7, 8). */
export function unpackReport(fields, edition = EDITION_1) {
  const { traits, class_code: classCode, component } = fields;
  return {
    sequence: fields.sequence,
    edition: fields.edition,
    observed_at: fields.observed_at,
    kind: traits & 1,
    class_code: classCode,
    urgency: (traits >> 1) & 3,
    simple: ((traits >> 3) & 1) === 1,
    patrol: (traits >> 4) & 3,
    grid: Number(gridBase(edition) + BigInt(fields.grid)),
    lat_e5: fields.lat + edition.lat0E5,
    lon_e5: fields.lon + edition.lon0E5,
    accuracy_m: fields.accuracy_m,
    description: readText(fields.text),
    pictures: fields.pictures,
    component:
      component === null || component > 999999
        ? component
        : Number(componentBase(classCode, edition) + BigInt(component)),
  };
}

/** The reports of a backlog message in full values (9). */
export function unpackBacklog(fields, edition = EDITION_1) {
  const [times, grids, lats, lons] = ["times", "grids", "lats", "lons"].map((name) => sums(fields[name]));
  const texts = readText(fields.texts, times.length).split("\n");
  return times.map((time, i) =>
    unpackReport(
      {
        edition: fields.edition,
        sequence: fields.first_sequence + i,
        observed_at: time,
        class_code: fields.class_codes[i],
        traits: fields.traits[i],
        grid: grids[i],
        lat: lats[i],
        lon: lons[i],
        accuracy_m: fields.accuracies_m[i],
        pictures: fields.pictures[i],
        text: texts[i],
        component: fields.components[i] ?? null,
      },
      edition,
    ),
  );
}

/** A column of differences added up (9). */
export function sums(differences) {
  let sum = 0;
  return differences.map((difference) => (sum += difference));
}

const gridBase = ({ district, gridDigits }) => district * 10n ** (gridDigits - 6n);

const componentBase = (classCode, { district, classDigits }) =>
  (district * 10n ** classDigits + BigInt(classCode)) * 1000000n;

function packComponent({ component, class_code: classCode }, edition) {
  if (component === null) return null;
  const own = BigInt(component) - componentBase(classCode, edition);
  return own >= 0n && own <= 999999n ? Number(own) : component;
}

/** The characters of a text in any of its forms (8). */
export function readText(value, reports = 1) {
  if (typeof value === "string") return value;
  const gb18030 = new TextDecoder("gb18030", { fatal: true });
  if (value instanceof Ext) {
    if (value.type !== 2) throw new TypeError(`no text has ext type ${value.type}`);
    return gb18030.decode(value.data);
  }
  const maxOutputLength = 4 * (501 * reports - 1);
  return gb18030.decode(inflateRawSync(value, { dictionary: dictionary(), maxOutputLength }));
}

let dictionaryBytes;

/** Dictionary 1 as its GB18030 bytes (8). Node decodes GB18030 only, so the table is turned round. */
export function dictionary() {
  if (dictionaryBytes === undefined) {
    const path = new URL("../../docs/text-dictionary-1.txt", import.meta.url);
    const codes = gb18030Codes();
    const bytes = [...readFileSync(path, "utf8")].map((character) => codes.get(character));
    dictionaryBytes = Buffer.concat(bytes);
  }
  return dictionaryBytes;
}

/** The codes of one and two bytes by character. */
function gb18030Codes() {
  const decoder = new TextDecoder("gb18030");
  const codes = new Map();
  for (let byte = 0; byte < 0x80; byte += 1) codes.set(String.fromCharCode(byte), Buffer.from([byte]));
  for (let high = 0x81; high < 0xff; high += 1) {
    for (let low = 0x40; low < 0xff; low += 1) {
      const code = Buffer.from([high, low]);
      const character = decoder.decode(code);
      if ([...character].length === 1 && !codes.has(character)) codes.set(character, code);
    }
  }
  return codes;
}
