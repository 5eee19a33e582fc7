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

if (document.querySelector(".bar nav")) {
  new EventSource("/live").addEventListener("changed", look);
  setInterval(() => wanted && look(), 1000);
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", look);
}
