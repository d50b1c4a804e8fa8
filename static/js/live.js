// Says so when a page can no longer keep itself current, and rests while nobody looks.
const isPoll = (event) => event.detail.ctx?.sourceEvent?.type === "every";
const stale = (sentence) => {
  const banner = document.getElementById("stale");
  banner.textContent = sentence;
  banner.hidden = !sentence;
};

document.addEventListener("htmx:config:request", (event) => {
  if (isPoll(event) && document.hidden) event.preventDefault();
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx) stale("The platform does not answer; this page shows what was true before. It goes on by itself.");
});
document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail.ctx.response.status;
  if (status < 400) stale("");
  else if (status === 404) stale("What this page shows no longer exists.");
  else stale(`The platform answered ${status}; reload the page to go on.`);
});

// An open menu closes when something else is chosen.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
