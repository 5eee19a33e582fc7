// Pages work without this file. With it they live: what others do appears by itself, and a touch opens what asks.
"use strict";

let wanted = false;
let looking = false;

function isBeingWritten() {
  if (document.querySelector("main [role=alert]")) return true; // what was refused stays in its fields
  const fields = document.querySelectorAll("main textarea, main input:not([type=hidden])");
  return [...fields].some((field) =>
    field.type === "checkbox" || field.type === "radio"
      ? field.checked !== field.defaultChecked
      : field.value !== field.defaultValue || field === document.activeElement,
  );
}

// The server answers with nothing where the page shows the very same already.
async function look() {
  if (document.querySelector("[data-still]")) return; // what was looked for stays as it was found
  if (looking || document.hidden || isBeingWritten()) {
    wanted = true;
    return;
  }
  looking = true;
  wanted = false;
  try {
    const shown = document.getElementById("main").dataset.shown;
    const here = location.pathname + location.search;
    await htmx.ajax("GET", here, {
      target: "#main",
      select: "#main",
      swap: "outerMorph",
      headers: { "X-Shown": shown },
    });
  } catch {
    wanted = true;
  } finally {
    looking = false;
  }
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  const details = opener && document.getElementById(opener.dataset.opens);
  if (!details) return;
  event.preventDefault();
  event.stopPropagation();
  details.open = true;
  details.querySelector("textarea, input:not([type=hidden])")?.focus();
}, true);

// What a running step writes is appended as it comes; a page that looks again leaves it as it stands.
const KEPT_SIGNS = 100000;
const streams = new Map();

function append(place, text) {
  const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  place.append(text);
  if (place.textContent.length > KEPT_SIGNS) place.textContent = place.textContent.slice(-KEPT_SIGNS / 2);
  if (isAtEnd) place.scrollTop = place.scrollHeight;
}

function followOutput(place) {
  const address = new URL(place.dataset.writes, location.href);
  if (place.dataset.upTo) address.searchParams.set("after", place.dataset.upTo);
  else place.scrollTop = place.scrollHeight;
  const source = listen(place, address);
  source.addEventListener("wrote", (event) => {
    if (!place.isConnected) return leave(place);
    place.dataset.upTo = event.lastEventId;
    append(place, event.data);
  });
  source.addEventListener("over", () => source.close());
}

// A browser asks again where a line breaks, and never where it was refused (by a proxy, while opsrunner is started
// anew): then it is asked for at the next look.
function listen(place, address) {
  const source = new EventSource(address);
  source.addEventListener("error", () => source.readyState === EventSource.CLOSED && leave(place));
  streams.set(place, source);
  return source;
}

function leave(place) {
  streams.get(place)?.close();
  streams.delete(place);
}

// A browser keeps few lines to one place: windows that nobody sees hold none.
function follow() {
  if (document.hidden) {
    for (const place of [...streams.keys()]) leave(place);
    return;
  }
  if (!streams.has(document.body) && document.querySelector(".bar nav")) {
    const changes = listen(document.body, "/live");
    changes.addEventListener("changed", look);
    changes.addEventListener("open", look); // what happened before the line stood, it does not tell
  }
  for (const place of [...streams.keys()]) if (!place.isConnected) leave(place);
  for (const place of document.querySelectorAll("[data-writes]")) if (!streams.has(place)) followOutput(place);
}

document.addEventListener("click", (event) => event.target.closest("[data-prints]") && print());

// On paper everything that explains a task is open; afterwards it is as it was.
const openedToPrint = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".task details:not([open])")) {
    openedToPrint.push(details);
    details.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const details of openedToPrint.splice(0)) details.open = false;
});

function showWhatNeedsThis() {
  for (const button of document.querySelectorAll("[data-prints]")) button.hidden = false;
}

showWhatNeedsThis();
document.addEventListener("htmx:after:swap", showWhatNeedsThis);

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.getElementById("q");
  if (!field && !document.querySelector('a[href="/search"]')) return;
  event.preventDefault();
  if (field) field.select();
  else location.assign("/search");
});

if (document.querySelector(".bar nav")) {
  setInterval(() => wanted && look(), 1000);
  setInterval(() => {
    follow();
    look();
  }, 30000);
  document.addEventListener("visibilitychange", () => {
    follow();
    look();
  });
  document.addEventListener("htmx:after:swap", follow);
  follow();
}
