// One question at a time, for as long as somebody looks. A gateway that is gone is asked on.

const EVERY_MS = 2000; // between an answer and the next question
const GIVE_UP_MS = 8000; // a gateway answers within 3 s even when its database does not

export async function keepAsking({ after, came, failed }) {
  for (;;) {
    await visible();
    try {
      came(await ask(after()));
    } catch {
      failed();
    }
    await pause(EVERY_MS);
  }
}

async function ask(after) {
  const response = await fetch(`api/figures?after=${after}`, {
    cache: "no-store",
    signal: AbortSignal.timeout(GIVE_UP_MS),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", function shown() {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", shown);
      resolve();
    });
  });
}
