// Three small drawings over the steps: tokens committed, their mean entropy, and which place was filled when.

class Curve {
  constructor(panel, caption, go) {
    const figure = document.getElementById("curve").content.firstElementChild.cloneNode(true);
    figure.querySelector("figcaption").textContent = caption;
    this.caption = caption;
    this.part = (name) => figure.querySelector(name);
    this.part("svg").addEventListener("click", (event) => {
      const { left, width } = this.part("svg").getBoundingClientRect();
      go(Math.ceil(((event.clientX - left) / width) * this.steps));
    });
    panel.append(figure);
  }

  /** marks, again: path data in a box of 100 x 100; top and bottom: the numbers at its ends. */
  draw({ kind, marks, again = "", top, bottom, steps, told }) {
    this.steps = steps;
    this.part("svg").setAttribute("class", kind);
    this.part("svg").setAttribute("aria-label", `${this.caption}: ${told}`);
    this.part(".marks").setAttribute("d", marks);
    this.part(".again").setAttribute("d", again);
    this.part(".top").textContent = top;
    this.part(".bottom").textContent = bottom;
    this.part(".last").textContent = steps;
  }

  /** Moves the line that says where the player stands; before the first step there is none. */
  stand(step) {
    const x = acrossOf(step, this.steps);
    this.part(".now").setAttribute("x1", x);
    this.part(".now").setAttribute("x2", x);
  }
}

function acrossOf(step, steps) {
  return step === 0 ? 0 : (100 * (step - 0.5)) / steps;
}

function upOf(value, most) {
  return 100 - (100 * value) / most;
}

/** Per step of a prompt, from 1: how many tokens it committed and their mean entropy (null without any). */
function perStep(prompt) {
  const groups = Array.from({ length: prompt.steps }, () => []);
  for (const event of prompt.commits) groups[event.step - 1].push(event);
  return {
    tokens: groups.map((events) => events.length),
    entropy: groups.map((events) => mean(events.map((event) => event.entropy))),
  };
}

function tokensCurve(prompt, steps, most) {
  const { tokens } = perStep(prompt);
  const width = (steps > 100 ? 100 : 80) / steps;
  const marks = tokens.map((count, index) => `M${(100 * index) / steps} 100V${upOf(count, most)}h${width}V100z`);
  const told = `${readable(mean(tokens))} on average, at most ${Math.max(0, ...tokens)}`;
  return { kind: "bars", marks: marks.join(""), top: most, bottom: 0, steps, told };
}

function entropyCurve(prompt, steps, most) {
  const { entropy } = perStep(prompt);
  const point = (value, index) => (value === null ? [] : [`${acrossOf(index + 1, steps)} ${upOf(value, most)}`]);
  const points = entropy.flatMap(point);
  const told = `${readable(mean(entropy))} nats on average`;
  return { kind: "stroke", marks: points.length ? `M${points.join("L")}` : "", top: readable(most), bottom: 0, steps, told };
}

function orderCurve(prompt, steps) {
  const places = prompt.ids.length;
  const dot = (event) => `M${acrossOf(event.step, steps)} ${(100 * (event.position + 0.5)) / places}h0`;
  const [marks, again] = [prompt.commits, prompt.again].map((events) => events.map(dot).join(""));
  const kind = prompt.commits.length > 1000 ? "dots dense" : "dots";
  const told = `${prompt.commits.length} commits at ${places} positions, ${prompt.again.length} masked again`;
  return { kind, marks, again, top: 0, bottom: places - 1, steps, told };
}
