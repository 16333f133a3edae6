// The part of msgpack that the protocol needs, and no more. Written from docs/protocol.md, section 2.

/** A value of msgpack type ext. */
export class Ext {
  constructor(type, data) {
    this.type = type;
    this.data = data;
  }
}

/** Bytes of a value: number, bigint, string, Uint8Array, Ext, array or null, in the fewest bytes. */
export function encode(value) {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === "number" || typeof value === "bigint") return encodeInteger(BigInt(value));
  if (typeof value === "string") return encodeString(Buffer.from(value, "utf8"));
  if (value instanceof Ext) return encodeExt(value);
  if (value instanceof Uint8Array) return Buffer.concat([sized(0xc4, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([arrayHeader(value.length), ...value.map(encode)]);
  throw new TypeError(`no msgpack form here for ${typeof value}`);
}

function encodeInteger(value) {
  if (value >= 0n && value < 0x80n) return Buffer.from([Number(value)]);
  if (value < 0n && value >= -32n) return Buffer.from([Number(value + 256n)]);
  const negative = value < 0n;
  for (const [step, bytes] of [1, 2, 4, 8].entries()) {
    const bits = BigInt(bytes * 8);
    const fits = negative ? value >= -(1n << (bits - 1n)) : value < 1n << bits;
    if (!fits) continue;
    const out = Buffer.alloc(1 + bytes);
    out[0] = (negative ? 0xd0 : 0xcc) + step;
    let rest = BigInt.asUintN(Number(bits), value);
    for (let i = bytes; i > 0; i -= 1, rest >>= 8n) out[i] = Number(rest & 0xffn);
    return out;
  }
  throw new RangeError(`${value} has more than 64 bits`);
}

function encodeString(bytes) {
  const size = bytes.length;
  const header = size < 32 ? Buffer.from([0xa0 | size]) : sized(0xd9, size);
  return Buffer.concat([header, bytes]);
}

function encodeExt({ type, data }) {
  const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
  const header = fixed >= 0 ? Buffer.from([0xd4 + fixed]) : sized(0xc7, data.length);
  return Buffer.concat([header, Buffer.from([type]), data]);
}

function arrayHeader(size) {
  return size < 16 ? Buffer.from([0x90 | size]) : Buffer.from([0xdc, size >> 8, size & 0xff]);
}

/** A header whose size takes one byte, or two with the next type number. A frame holds no more. */
function sized(type, size) {
  return size < 256 ? Buffer.from([type, size]) : Buffer.from([type + 1, size >> 8, size & 0xff]);
}

/** The one value in `bytes`. Throws on anything else. Integers beyond 2^53 come as bigint. */
export function decode(bytes) {
  const data = Buffer.from(bytes);
  let at = 0;
  const take = (size) => {
    if (at + size > data.length) throw new RangeError("cut short");
    at += size;
    return data.subarray(at - size, at);
  };
  const unsigned = (size) => {
    let value = 0n;
    for (const byte of take(size)) value = (value << 8n) | BigInt(byte);
    return value;
  };
  const plain = (big) =>
    big >= Number.MIN_SAFE_INTEGER && big <= Number.MAX_SAFE_INTEGER ? Number(big) : big;
  const length = (size) => Number(unsigned(size));
  const array = (size) => Array.from({ length: Math.min(size, data.length) }, value);
  const text = (size) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(take(size));
  const ext = (size) => new Ext(take(1).readInt8(), take(size));
  function value() {
    const type = take(1)[0];
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 256;
    if (type >= 0x90 && type < 0xa0) return array(type & 0x0f);
    if (type >= 0xa0 && type < 0xc0) return text(type & 0x1f);
    if (type === 0xc0) return null;
    if (type >= 0xc4 && type <= 0xc6) return take(length(1 << (type - 0xc4)));
    if (type >= 0xc7 && type <= 0xc9) return ext(length(1 << (type - 0xc7)));
    if (type >= 0xcc && type <= 0xcf) return plain(unsigned(1 << (type - 0xcc)));
    if (type >= 0xd0 && type <= 0xd3) {
      const size = 1 << (type - 0xd0);
      return plain(BigInt.asIntN(size * 8, unsigned(size)));
    }
    if (type >= 0xd4 && type <= 0xd8) return ext(1 << (type - 0xd4));
    if (type >= 0xd9 && type <= 0xdb) return text(length(1 << (type - 0xd9)));
    if (type === 0xdc || type === 0xdd) return array(length(type === 0xdc ? 2 : 4));
    throw new TypeError(`msgpack type ${type.toString(16)} is not used in the protocol`);
  }
  const result = value();
  if (at !== data.length) throw new RangeError("bytes behind the value");
  return result;
}
