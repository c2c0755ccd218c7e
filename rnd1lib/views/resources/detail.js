// What the model thought of one token, beside it: shown for the token that is pointed at, else for the one with the focus.

class Detail {
  constructor(element) {
    this.element = element;
    this.cell = null;
  }

  /** What the cell's prompt, and the one it is compared with, say of its place. */
  show(cell, { prompt, other }, step) {
    if (this.cell !== cell) this.hide();
    this.cell = cell;
    this.element.replaceChildren(...detailsOf(prompt, other, Number(cell.dataset.position), step));
    this.element.hidden = false;
    cell.setAttribute("aria-describedby", this.element.id);
    this.place(cell.getClientRects()[0]);
  }

  hide() {
    this.cell?.removeAttribute("aria-describedby");
    this.cell = null;
    this.element.hidden = true;
  }

  place(beside) {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.max(8, Math.min(beside.left, document.documentElement.clientWidth - width - 8));
    const fits = beside.bottom + height + 8 < window.innerHeight || beside.top < height + 8;
    const top = fits ? beside.bottom + 4 : beside.top - height - 4;
    this.element.style.left = `${left + window.scrollX}px`;
    this.element.style.top = `${top + window.scrollY}px`;
  }
}

function detailsOf(prompt, other, position, step) {
  const given = prompt.ids[position];
  if (!prompt.masked[position]) return [title(prompt, given), line(`given; position ${position}, id ${given}`)];
  const history = prompt.histories[position];
  const now = eventAt(history, step);
  const told = now && !now.again ? now : history.find((event) => event.step > step && !event.again);
  if (!told) return [line(`masked; position ${position}, nothing is committed here`)];
  const state = told === now ? `committed at step ${told.step}` : `masked now; step ${told.step} commits this`;
  return [
    title(prompt, told.id),
    line(`${state}; position ${position}, id ${told.id}`),
    line(`drawn with probability ${readable(told.probability)}; entropy ${readable(told.entropy)} nats`),
    ...(told.top.length ? [line("Best before temperature and filters:", "past"), best(prompt, told)] : []),
    ...restOf(prompt, history, told),
    ...(other ? [line(`beside it: ${endOf(other, position)}`, "past")] : []),
  ];
}

/** What else happened at a place; p2 may change its mind at every step, so the last of it. */
function restOf(prompt, history, told) {
  const rest = history.filter((event) => event !== told);
  const earlier = rest.length > SHOWN ? [line(`… ${rest.length - SHOWN} more before`, "past")] : [];
  return [...earlier, ...rest.slice(-SHOWN).map((event) => line(pastOf(prompt, event), "past"))];
}

const SHOWN = 6;

function pastOf(prompt, event) {
  if (event.again) return `masked again at step ${event.step}`;
  return `step ${event.step}: ${onOneLine(prompt, event.id)} (${readable(event.probability)})`;
}

function endOf(prompt, position) {
  const event = prompt.histories[position].at(-1);
  return !event || event.again ? "masked" : pastOf(prompt, event);
}

function title(prompt, id) {
  return line(onOneLine(prompt, id), "piece");
}

function onOneLine(prompt, id) {
  return pieceOf(prompt, id).replaceAll("\n", "");
}

/** The most probable tokens with bars; the one that was taken is marked. */
function best(prompt, event) {
  const list = document.createElement("ol");
  for (const [id, probability] of event.top) {
    const item = document.createElement("li");
    item.className = id === event.id ? "taken" : "";
    const bar = line("", "bar");
    bar.style.width = `${100 * probability}%`;
    item.append(bar, line(onOneLine(prompt, id), "piece"), line(readable(probability), "number"));
    list.append(item);
  }
  return list;
}

function line(text, name = "") {
  const element = document.createElement("div");
  element.textContent = text;
  element.className = name;
  return element;
}
