// Fills name, model and version in from the script's path, Models/<model>/<version>/<file>.py, as the server does.
const form = document.querySelector("form[data-autofill]");
const { script, name, model, model_version: version, alias } = form.elements;

function fill() {
  const stem = script.value.split("/").pop().replace(/\.py$/, "");
  if (!name.value && !name.disabled) name.value = stem.replaceAll("_", "");
  const [, inModel, inVersion] = script.value.match(/^Models\/([^/]+)\/(\d+)\//) ?? [];
  if (!inModel) return;
  model.value = inModel;
  if (!alias.value) version.value = inVersion;
}

script.addEventListener("change", fill);
alias.addEventListener("change", () => {
  if (alias.value) version.value = "";
  else fill();
});
version.addEventListener("input", () => {
  if (version.value) alias.value = "";
});
if (script.value && !name.value) fill();
