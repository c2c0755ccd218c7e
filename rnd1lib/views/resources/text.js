// The canvas of one prompt as running text: a span a token, changed only where something happened.

class CanvasText {
  constructor(container, prompt) {
    this.container = container;
    this.prompt = prompt;
    this.cells = prompt.ids.map((id, position) => this.cell(position));
    container.replaceChildren(...this.cells.map((cell) => cell.element));
  }

  cell(position) {
    const element = document.createElement("span");
    element.tabIndex = position === 0 ? 0 : -1;
    element.dataset.position = position;
    return { element, position, drawn: "" };
  }

  /** Draws the canvas after `step`; tokens that end otherwise in `other`, if there is one, are marked. */
  draw(step, scale, still, other) {
    this.container.setAttribute("aria-label", `Text after step ${Math.min(step, this.prompt.steps)} of ${this.prompt.steps}`);
    for (const cell of this.cells) {
      const text = this.textOf(cell.position, step, still);
      const kinds = this.kindsOf(cell.position, step, scale, other).filter(Boolean).join(" ");
      if (cell.drawn === `${kinds}|${text}`) continue;
      cell.element.textContent = text;
      cell.element.className = `token ${kinds}`;
      cell.drawn = `${kinds}|${text}`;
    }
  }

  textOf(position, step, still) {
    const id = idAt(this.prompt, position, step) ?? (still ? this.prompt.finals[position] : null);
    return id === null ? BLANK : pieceOf(this.prompt, id);
  }

  kindsOf(position, step, scale, other) {
    const { histories, masked } = this.prompt;
    if (!masked[position]) return ["given"];
    const event = eventAt(histories[position], step);
    const beyond = this.prompt.isBeyond(position) && "beyond";
    if (!event) return ["masked", beyond];
    const fresh = event.step === step && "new";
    if (event.again) return ["masked", "again", fresh, beyond];
    const revised = histories[position].some((earlier) => earlier.step < event.step) && "revised";
    const differs = other && !beyond && this.prompt.finals[position] !== other.finals[position] && "differs";
    return [shadeOf(scale, event), fresh, revised, beyond, differs];
  }
}

const BLANK = "\u00a0\u00a0";
