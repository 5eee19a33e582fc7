// Pages work without this file. With it they live: what others do appears by itself, and a touch opens what asks.
"use strict";

let wanted = false;
let looking = false;

function isBeingWritten() {
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
  new EventSource("/live").addEventListener("changed", look);
  setInterval(() => wanted && look(), 1000);
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", look);
}
