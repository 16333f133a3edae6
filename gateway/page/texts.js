// The page's own words in two languages. Data lies in i18n/; the choice is remembered.

const LANGUAGES = ["en", "zh"];
const REMEMBERED_AS = "field-gateway-language";
const TRY_AGAIN_MS = 2000;

export async function loadTexts() {
  const [en, zh] = await Promise.all(LANGUAGES.map(load));
  return new Texts({ en, zh }, firstLanguage());
}

class Texts {
  constructor(words, language) {
    this.words = words;
    this.language = language;
  }

  /** The text of a key; {name} is replaced by the value of that name. */
  of(key, values = {}) {
    return this.words[this.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  change() {
    this.language = LANGUAGES.find((language) => language !== this.language);
    remember(this.language);
  }
}

/** Everything that is marked in the HTML: data-text is content, data-label a label. */
export function translatePage(texts) {
  document.documentElement.lang = texts.language === "zh" ? "zh-CN" : "en";
  document.title = texts.of("title");
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = texts.of(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", texts.of(element.dataset.label));
  }
  const button = document.getElementById("language");
  button.textContent = texts.of("language");
  button.lang = texts.language === "zh" ? "en" : "zh-CN";
  button.setAttribute("aria-label", texts.of("language_label"));
}

async function load(language) {
  for (;;) {
    try {
      const response = await fetch(`page/i18n/${language}.json`);
      if (response.ok) return await response.json();
    } catch {
      // The gateway went away between two files of its page: it comes back.
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
  }
}

function firstLanguage() {
  const remembered = recall();
  if (LANGUAGES.includes(remembered)) return remembered;
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2));
  return preferred.find((language) => LANGUAGES.includes(language)) ?? "en";
}

// A browser may forbid to remember anything; then the choice lasts as long as the page.

function recall() {
  try {
    return localStorage.getItem(REMEMBERED_AS);
  } catch {
    return null;
  }
}

function remember(language) {
  try {
    localStorage.setItem(REMEMBERED_AS, language);
  } catch {
    return;
  }
}
