// Makes an upload form send its files in pieces, with progress, a pause, and going on after a reload.
import { Api, Refused, inLanes, isChunked, sendFile } from "./sending.js";
import { Export, Resources } from "./targets.js";

const PAUSED = new DOMException("Paused.", "AbortError");
const CANCELLED = new DOMException("Cancelled.", "AbortError");
const UNITS = ["B", "KB", "MB", "GB", "TB"];

function inWords(bytes) {
  const power = bytes && Math.min(Math.floor(Math.log(bytes) / Math.log(1024)), 4);
  return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${UNITS[power]}`;
}

// What is seen of an upload: a bar for all of it, one for each file, and two buttons.
class Panel {
  constructor(root) {
    const part = (name) => root.querySelector(`[data-upload-${name}]`);
    this.root = root;
    [this.all, this.amount, this.said, this.list, this.pause, this.cancel] =
      ["all", "amount", "said", "list", "pause", "cancel"].map(part);
    this.row = root.querySelector("template");
  }

  show(items) {
    this.bytes = new Map(items.map((item) => [item, 0]));
    this.total = items.reduce((sum, { file }) => sum + file.size, 0);
    this.rows = new Map(items.map((item) => [item, this.row.content.firstElementChild.cloneNode(true)]));
    for (const [{ path }, row] of this.rows) {
      row.querySelector("span").textContent = path;
      row.querySelector("progress").setAttribute("aria-label", path);
    }
    this.list.replaceChildren(...this.rows.values());
    this.root.hidden = false;
    this.say("Sending");
    this.root.scrollIntoView({ block: "nearest" });
  }

  report(item, bytes) {
    this.bytes.set(item, bytes);
    this.rows.get(item).querySelector("progress").value = item.file.size ? bytes / item.file.size : 1;
    const done = [...this.bytes.values()].reduce((sum, each) => sum + each, 0);
    this.all.value = this.total ? done / this.total : 1;
    this.amount.textContent = `${inWords(done)} of ${inWords(this.total)}`;
  }

  finished(item) {
    this.report(item, item.file.size);
    this.rows.get(item).classList.add("upload__file--done");
  }

  say(sentence, { isPaused = false } = {}) {
    this.said.textContent = sentence;
    this.pause.textContent = isPaused ? "Go on" : "Pause";
  }
}

class Uploading {
  constructor(form) {
    this.form = form;
    this.panel = new Panel(document.getElementById(form.dataset.panel));
    const api = new Api(form.dataset.api, form.elements.csrfmiddlewaretoken.value);
    this.api = api;
    this.target = form.dataset.upload === "export" ? new Export(form, api) : new Resources(form, api);
    form.addEventListener("submit", (event) => this.submit(event));
    this.panel.pause.addEventListener("click", () => (this.goOn ? this.goOn() : this.controller.abort(PAUSED)));
    this.panel.cancel.addEventListener("click", () => this.stop());
    addEventListener("beforeunload", (event) => { if (this.isSending) event.preventDefault(); });
    addEventListener("pagehide", () => { if (this.target.upload) this.target.remember(); });
    const sentence = this.target.interrupted();
    if (sentence) tell(form, sentence, "info");
  }

  submit(event) {
    const items = this.target.items();
    if (!items.length) return; // the platform's own answer says what is missing
    event.preventDefault();
    forget(this.form);
    this.run(items);
  }

  async run(items) {
    this.form.inert = true;
    this.isCancelled = false;
    this.panel.show(items);
    try {
      while (!(await this.pass(items))) await this.wait();
      this.panel.say("All files are there.");
      location.assign(await this.target.finish());
    } catch (error) {
      await this.target.cancel();
      this.panel.root.hidden = true;
      if (error !== CANCELLED) blame(this.form, this.target.field(error), error.message);
      this.form.inert = false;
    }
  }

  // Sends what is not there yet; false when it was paused, by a person or by the network.
  async pass(items) {
    this.controller = new AbortController();
    this.isSending = true;
    try {
      const { signal } = this.controller;
      const missing = new Set(await this.target.begin(items, signal));
      for (const item of items) if (!missing.has(item)) this.panel.finished(item);
      await inLanes([...missing].filter((item) => !isChunked(item)), (item) => this.send(item, signal));
      for (const item of missing) if (isChunked(item)) await this.send(item, signal);
      return true;
    } catch (error) {
      this.controller.abort(error);
      if (error === PAUSED) this.panel.say("Paused.", { isPaused: true });
      else if (error instanceof Refused && (error.status === 0 || error.status > 500)) {
        this.panel.say(`${error.message} What arrived is kept.`, { isPaused: true });
      } else throw error;
      return false;
    } finally {
      this.isSending = false;
    }
  }

  async send(item, signal) {
    await sendFile(this.api, item, { signal, report: (bytes) => this.panel.report(item, bytes) });
    this.panel.finished(item);
    this.target.keep(item);
    if (isChunked(item)) this.target.remember?.();
  }

  async wait() {
    await new Promise((resolve) => { this.goOn = resolve; });
    this.goOn = undefined;
    if (this.isCancelled) throw CANCELLED;
    this.panel.say("Sending");
  }

  stop() {
    this.isCancelled = true;
    this.controller.abort(CANCELLED);
    this.goOn?.();
  }
}

function tell(form, sentence, kind) {
  const message = document.createElement("p");
  message.className = `message message--${kind}`;
  message.setAttribute("role", kind === "error" ? "alert" : "status");
  message.dataset.uploadSaid = "";
  message.textContent = sentence;
  form.prepend(message);
}

function blame(form, name, sentence) {
  const field = form.elements[name]?.closest?.(".field");
  tell(form, sentence, "error");
  field?.classList.add("field--wrong");
}

function forget(form) {
  for (const message of form.querySelectorAll("[data-upload-said]")) message.remove();
  for (const field of form.querySelectorAll(".field--wrong")) field.classList.remove("field--wrong");
}

for (const form of document.querySelectorAll("form[data-upload]")) new Uploading(form);
