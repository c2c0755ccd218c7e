// One prompt of one run: its text, figures, curves and facts.

class Pane {
  constructor(panes, prompt, run, go) {
    const section = document.getElementById("pane").content.firstElementChild.cloneNode(true);
    this.part = (name) => section.querySelector(name);
    this.prompt = prompt;
    this.run = run;
    this.part("h2").textContent = run.label;
    this.text = new CanvasText(this.part(".text"), prompt);
    const captions = ["Tokens committed a step", "Their mean entropy, nats", "Which position when"];
    this.curves = captions.map((caption) => new Curve(this.part(".curves"), caption, go));
    panes.append(section);
  }

  /** What does not change with the step, on scales that all panes share. */
  drawOnce(panes) {
    const all = panes.map((pane) => perStep(pane.prompt));
    const steps = Math.max(1, ...panes.map((pane) => pane.prompt.steps));
    const tokens = Math.max(1, ...all.flatMap((each) => each.tokens));
    const entropy = Math.max(0, ...all.flatMap((each) => each.entropy)) || 1;
    const [committed, unsure, order] = this.curves;
    committed.draw(tokensCurve(this.prompt, steps, tokens));
    unsure.draw(entropyCurve(this.prompt, steps, entropy));
    order.draw(orderCurve(this.prompt, steps));
    this.drawFacts(panes.map((pane) => pane.run.facts));
    this.other = panes.find((pane) => pane !== this && comparable(pane.prompt, this.prompt))?.prompt;
  }

  draw(step, scale, still, differences) {
    this.text.draw(step, scale, still, differences && this.other);
    this.part(".measures").textContent = measuresOf(this.prompt, step, this.other);
    this.curves.forEach((curve) => curve.stand(Math.min(step, curve.steps)));
  }

  /** The facts of all runs that are shown, so that lines stand beside each other; those that differ are marked. */
  drawFacts(all) {
    const names = new Set(all.flatMap((facts) => [...facts.keys()]));
    const rows = [...names].map((name) => {
      const [row, term, value] = ["tr", "th", "td"].map((tag) => document.createElement(tag));
      term.scope = "row";
      term.textContent = name;
      value.textContent = this.run.facts.get(name) ?? "–";
      row.className = new Set(all.map((facts) => facts.get(name))).size > 1 ? "different" : "";
      row.append(term, value);
      return row;
    });
    this.part(".facts tbody").replaceChildren(...rows);
  }
}

/** What has been done up to a step, in a sentence. */
function measuresOf(prompt, step, other) {
  const commits = prompt.commits.filter((event) => event.step <= step);
  const again = prompt.again.filter((event) => event.step <= step);
  const done = Math.min(step, prompt.steps);
  const filled = prompt.places.filter((position) => idAt(prompt, position, step) !== null).length;
  const told = [`Step ${done} of ${prompt.steps}`, `${filled} of ${prompt.places.length} tokens`];
  if (commits.length) {
    told.push(`${readable(filled / done)} a step`);
    told.push(`mean probability ${readable(mean(commits.map((event) => event.probability)))}`);
    told.push(`mean entropy ${readable(mean(commits.map((event) => event.entropy)))} nats`);
  }
  if (prompt.again.length) told.push(`${again.length} masked again`);
  if (other) told.push(`${agreement(prompt, other)} as beside it in the end`);
  return told.join(" · ");
}

function agreement(prompt, other) {
  const same = prompt.places.filter((position) => prompt.finals[position] === other.finals[position]);
  return `${same.length} of ${prompt.places.length}`;
}
