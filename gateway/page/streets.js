// Names of streets: the district's own, and how they are spelt in Latin letters.

const LATIN = {
  440307003: "Pinghu", 440307006: "Pingdi", 440307007: "Pingshan", 440307008: "Kengzi",
  440307009: "Kuichong", 440307010: "Dapeng", 440307011: "Nan'ao", 440307012: "Nanwan",
  440307013: "Bantian", 440307014: "Buji", 440307015: "Longcheng", 440307016: "Longgang",
  440307017: "Henggang",
};

/** Without 街道, which all of them are; a code that nobody knows stays a number. */
export function streetName(code, name, texts) {
  const latin = texts.language === "en" ? LATIN[code] : undefined;
  return latin ?? (name.replace(/街道$/, "") || String(code));
}
