// What a person does: choices, keys, pointing; and the start.

function fillChoices() {
  options("run", runs.map((run, index) => [index, run.label]));
  options("beside", [["", "nothing"], ...runs.map((run, index) => [index, run.label])]);
  if (runs.length > 1) part("beside").value = "1";
  for (const label of document.querySelectorAll(".several")) label.hidden = runs.length < 2;
  fillPrompts();
}

function fillPrompts() {
  const before = part("prompt").value;
  const prompts = runs[part("run").value]?.prompts ?? [];
  options("prompt", prompts.map((prompt) => [prompt.number, `${prompt.number}: ${beginningOf(prompt)}`]));
  if (prompts.some((prompt) => String(prompt.number) === before)) part("prompt").value = before;
}

function options(id, choices) {
  part(id).replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
}

function beginningOf(prompt) {
  const given = prompt.ids.filter((_, position) => !prompt.masked[position]).slice(0, 40);
  const text = given.map((id) => pieceOf(prompt, id)).join("").replace(/\s+/g, " ").trim();
  return text.length > 40 ? `${text.slice(0, 40)}…` : text || "(empty)";
}

const KEYS = {
  " ": toggle,
  ArrowLeft: () => go(step - 1),
  ArrowRight: () => go(step + 1),
  Home: () => go(0),
  End: () => go(lastStep()),
  Escape: () => detail.hide(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, [type=radio]")) return;
  const ownKey = event.key === " " ? "button, [type=checkbox]" : "[type=range]";
  const onToken = event.target.closest(".text .token");
  const moves = { ArrowUp: -1, ArrowDown: 1 };
  if (onToken && event.key in moves) moveFocus(onToken, moves[event.key]);
  else if (event.key in KEYS && !event.target.closest(ownKey)) KEYS[event.key]();
  else return;
  event.preventDefault();
}

function moveFocus(token, by) {
  const next = by < 0 ? token.previousElementSibling : token.nextElementSibling;
  next?.focus();
}

/** One token of a text is a stop of the Tab key: the one that had the focus last. */
function onFocus(event) {
  const token = event.target.closest(".text .token");
  if (!token) return detail.hide();
  token.parentElement.querySelector('[tabindex="0"]').tabIndex = -1;
  token.tabIndex = 0;
  showDetail(token);
}

function onPoint(event) {
  const token = event.target.closest(".text .token") ?? document.activeElement.closest(".text .token");
  if (event.pointerType === "touch" || event.target.closest("#detail")) return;
  if (token) showDetail(token);
  else detail.hide();
}

function showDetail(token) {
  const pane = panes.find((each) => each.part(".text") === token.parentElement);
  if (pane) detail.show(token, pane, step);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
}

function nameTheme() {
  part("theme").textContent = isDark() ? "Light" : "Dark";
}

/** Paper shows the last step; afterwards the page is as it was. */
function onPrint(printing) {
  const before = step;
  if (printing) {
    stop();
    go(lastStep());
    onPrint.before ??= before;
  } else {
    go(onPrint.before ?? step);
    onPrint.before = null;
  }
}

function listen() {
  part("run").addEventListener("change", () => (fillPrompts(), choose()));
  for (const id of ["beside", "prompt"]) part(id).addEventListener("change", choose);
  part("step").addEventListener("input", () => go(Number(part("step").value)));
  part("play").addEventListener("click", toggle);
  part("speed").addEventListener("change", () => timer !== null && (stop(), play()));
  part("colour").addEventListener("change", recolour);
  for (const id of ["still", "differences"]) part(id).addEventListener("change", draw);
  part("theme").addEventListener("click", switchTheme);
  document.addEventListener("keydown", onKey);
  document.addEventListener("focusin", onFocus);
  document.addEventListener("focusout", () => detail.hide());
  document.addEventListener("pointerover", onPoint);
  document.addEventListener("click", (event) => event.target.closest(".text .token")?.focus());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  matchMedia("print").addEventListener("change", (event) => onPrint(event.matches));
  window.addEventListener("beforeprint", () => onPrint(true));
  window.addEventListener("afterprint", () => onPrint(false));
}

fillChoices();
listen();
nameTheme();
if (matchMedia("(prefers-reduced-motion: reduce)").matches) part("speed").value = "1";
if (runs.length) choose();
else part("panes").textContent = "There is nothing to show: the trace holds no prompt.";
