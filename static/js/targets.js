// What the files of a form are for: a new version of a model, or the folder Resources.
import { Refused } from "./sending.js";

const ARCHIVE = /\.(zip|tar|tar\.gz|tgz|tar\.bz2|tbz2|tar\.xz|txz)$/i;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const KEPT_MS = 24 * 3600 * 1000; // as long as the platform keeps what was not finished
const IN_FORM = { version: "number", overwrite: "may_overwrite" };

const stamp = (file) => `${file.size}:${file.lastModified}`;
const files = (input) => [...(input?.files ?? [])];
const inFolder = (file) => file.webkitRelativePath.split("/").slice(1).join("/") || file.name;

// What is remembered of an upload in this browser, so that it goes on after a reload.
class Memory {
  constructor(key) {
    this.key = `hopyard-upload:${key}`;
  }

  read() {
    try {
      const { value, at } = JSON.parse(localStorage.getItem(this.key));
      return Date.now() - at < KEPT_MS ? value : null;
    } catch {
      return null;
    }
  }

  write(value) {
    try {
      if (value) localStorage.setItem(this.key, JSON.stringify({ value, at: Date.now() }));
      else localStorage.removeItem(this.key);
    } catch { /* a browser without storage forgets, and sends all of it again */ }
  }
}

export class Resources {
  constructor(form, api) {
    this.form = form;
    this.api = api;
    this.memory = new Memory(api.root);
    this.done = new Set();
    this.sent = [];
  }

  items() {
    const { file, folder, unpack } = this.form.elements;
    const inside = folder.value.trim().replace(/^Resources\//, "").replace(/^\/+|\/+$/g, "");
    const prefix = inside ? `Resources/${inside}/` : "Resources/";
    return files(file).map((each) => item(each, prefix + each.name, null, unpack));
  }

  interrupted() {
    const kept = this.memory.read();
    if (!kept) return "";
    return `The upload of ${kept.names.join(", ")} was interrupted; choose it again, and it goes on where it stopped.`;
  }

  async begin(items) {
    this.sent = items;
    this.memory.write({ names: items.slice(0, 5).map(({ file }) => file.name) });
    return items.filter((item) => !this.done.has(item));
  }

  keep(item) {
    this.done.add(item);
  }

  async finish() {
    this.memory.write(null);
    return this.form.dataset.done;
  }

  async cancel() {
    this.memory.write(null);
    for (const { incoming } of this.sent) {
      if (incoming) await this.api.json("DELETE", `incoming/${incoming}/`).catch(() => {});
    }
  }

  field() {
    return "file";
  }
}

export class Export {
  constructor(form, api) {
    this.form = form;
    this.api = api;
    this.memory = new Memory(`${api.root}models`);
    this.done = {};
  }

  items() {
    const { folder, file, unpack } = this.form.elements;
    return [
      ...files(folder).map((each) => item(each, inFolder(each), this.upload, unpack)),
      ...files(file).map((each) => item(each, each.name, this.upload, unpack)),
    ];
  }

  // A sentence about an earlier upload, whose words go back into the form so that the same draft is found.
  interrupted() {
    const kept = this.memory.read();
    if (!kept) return "";
    for (const [name, value] of Object.entries(kept.form)) {
      const field = this.form.elements[name];
      if (field?.type === "checkbox") field.checked = value === "on";
      else if (field && !field.value) field.value = value;
    }
    return `The upload of ${kept.form.name} was interrupted; choose the same files, and it goes on where it stopped.`;
  }

  // Finds the draft again, or begins one; the items that are still to be sent.
  async begin(items, signal) {
    const words = this.words();
    const key = JSON.stringify(words);
    const kept = this.memory.read();
    const found = kept && (await this.found(kept.draft, signal));
    if (found && kept.key === key) {
      const there = new Set(found.files.map(({ path }) => path));
      this.upload = kept.draft;
      this.done = Object.fromEntries(Object.entries(kept.done).filter(([path]) => there.has(path)));
    } else {
      if (found) await this.api.json("DELETE", `uploads/${kept.draft}/`, undefined, signal);
      const name = encodeURIComponent(this.form.elements.name.value);
      this.upload = (await this.api.json("POST", `models/${name}/uploads/`, words.said, signal)).id;
      this.done = {};
    }
    this.remember(key);
    for (const each of items) each.upload = this.upload;
    return items.filter((each) => this.done[each.path] !== stamp(each.file));
  }

  async found(draft, signal) {
    try {
      return await this.api.json("GET", `uploads/${draft}/`, undefined, signal);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  remember(key = this.key) {
    this.key = key;
    const text = [...new FormData(this.form)].filter(([name, value]) => typeof value === "string" && !name.startsWith("csrf"));
    this.memory.write({ key, draft: this.upload, done: this.done, form: Object.fromEntries(text) });
  }

  keep({ file, path, unpack }) {
    if (!unpack) this.done[path] = stamp(file);
  }

  async finish() {
    const { model, version } = await this.api.send("POST", `uploads/${this.upload}/finalise/`);
    this.upload = undefined;
    this.memory.write(null);
    return `${this.form.dataset.done}${model}/${version}/`;
  }

  async cancel() {
    this.memory.write(null);
    if (this.upload) await this.api.json("DELETE", `uploads/${this.upload}/`).catch(() => {});
    this.upload = undefined;
  }

  // Which field of the form a refusal is about.
  field(error) {
    const [name] = Object.keys(error.fields ?? {});
    if (name) return IN_FORM[name.split(".")[0]] ?? name.split(".")[0];
    if (error.code === "version_exists") return "number";
    return this.upload ? "file" : "name";
  }

  words() {
    const { name, number, may_overwrite: overwrite, framework, metrics, description } = this.form.elements;
    const said = {
      version: number.value ? Number(number.value) : null,
      overwrite: overwrite.checked,
      framework: framework.value,
      description: description.value,
      metrics: metricsIn(metrics.value),
    };
    return { name: name.value, said };
  }
}

const item = (file, path, upload, unpack) =>
  ({ file, path, upload, unpack: Boolean(unpack?.checked) && ARCHIVE.test(file.name) });

function metricsIn(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const [name, value] = line.split(/=(.*)/s).map((part) => part?.trim());
    if (!name || !value) {
      const message = `Write “${line}” as name=value.`;
      throw new Refused(400, { message, fields: { metrics: [message] } });
    }
    return [name, NUMBER.test(value) && Number.isFinite(Number(value)) ? Number(value) : value];
  }));
}
