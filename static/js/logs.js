// Keeps a log at its end while new lines arrive, unless the reader has scrolled up.
const logs = () => document.querySelectorAll("[data-follow]");
const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
const toEnd = (log) => { log.scrollTop = log.scrollHeight; };
let followed = new Set();

logs().forEach(toEnd);
document.addEventListener("htmx:before:swap", () => {
  followed = new Set([...logs()].filter(isAtEnd).map((log) => log.parentElement.id));
});
document.addEventListener("htmx:after:swap", () => {
  for (const log of logs()) if (followed.has(log.parentElement.id)) toEnd(log);
});
