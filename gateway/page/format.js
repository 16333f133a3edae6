// Numbers, money and times as people read them. Money comes as text and stays text: no binary
// float ever touches it.

const SYMBOLS = { CNY: "¥" };
const CHINA = "Asia/Shanghai";

export function count(value) {
  return grouped(String(value));
}

/** "1234.5" of CNY: ¥1,234.5 */
export function money(amount, currency) {
  const sign = amount.startsWith("-") ? "−" : "";
  const [whole, part] = amount.replace("-", "").split(".");
  const figure = part === undefined ? grouped(whole) : `${grouped(whole)}.${part}`;
  return SYMBOLS[currency] ? `${sign}${SYMBOLS[currency]}${figure}` : `${sign}${figure} ${currency}`;
}

/** A share of a whole in percent, to a tenth, and never 100.0 before all is there. */
export function percent(part, whole) {
  return (Math.floor((1000 * part) / whole) / 10).toFixed(1);
}

/** Milliseconds with three figures at most. */
export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

/** A rate: small ones with a tenth. */
export function rate(value) {
  return value < 10 && value % 1 !== 0 ? value.toFixed(1) : count(Math.round(value));
}

/** The time alone for today, else month, day, hour and minute. */
export function moment(text) {
  const [day, time] = inChina(new Date(text));
  const [today] = inChina(new Date());
  return day === today ? time : `${day.slice(5)} ${time.slice(0, 5)}`;
}

/** Date and time. */
export function wholeMoment(text) {
  return inChina(new Date(text)).join(" ");
}

export function clock(milliseconds) {
  return inChina(new Date(milliseconds))[1];
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

const parts = new Intl.DateTimeFormat("en-CA", {
  timeZone: CHINA, year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

function inChina(time) {
  const [day, clock] = parts.format(time).split(", ");
  return [day, clock];
}
