// Colours: the eight shades of the style sheet, what they stand for, and the legend that says so.

const SHADES = 8;

const MEASURES = {
  step: { title: "step of commitment", of: (event) => event.step, whole: true },
  entropy: { title: "entropy, nats", of: (event) => event.entropy },
  probability: { title: "probability", of: (event) => event.probability, paleIsHigh: true },
};

/** One scale for all prompts that are shown, so that a colour means the same in both. */
function scaleOf(name, prompts) {
  const measure = MEASURES[name];
  const values = prompts.flatMap((prompt) => prompt.commits.map(measure.of));
  const low = measure.whole ? 1 : 0;
  const high = name === "probability" ? 1 : values.reduce((most, value) => Math.max(most, value), low);
  return { ...measure, low, high };
}

/** The class of a committed token, "" where the value is not known. */
function shadeOf(scale, event) {
  const value = scale.of(event);
  if (value === null) return "";
  const share = scale.high > scale.low ? (value - scale.low) / (scale.high - scale.low) : 0;
  const shade = Math.min(SHADES - 1, Math.floor(share * SHADES));
  return `shade${scale.paleIsHigh ? SHADES - 1 - shade : shade}`;
}

function drawLegend(legend, scale) {
  legend.querySelector("figcaption").textContent = scale.title;
  const shades = Array.from({ length: SHADES }, (_, index) => `shade${scale.paleIsHigh ? SHADES - 1 - index : index}`);
  legend.querySelector(".shades").replaceChildren(...shades.map((shade) => labelled("", shade)));
  const numbers = [0, 0.25, 0.5, 0.75, 1].map((share) => scale.low + share * (scale.high - scale.low));
  const shown = numbers.map((number) => (scale.whole ? Math.round(number) : number.toFixed(2)));
  legend.querySelector(".numbers").replaceChildren(...shown.map((number) => labelled(String(number), "")));
}

/** Only kinds of token that the prompts have are explained. */
function drawKinds(legend, panes) {
  const kinds = {
    again: panes.some(({ prompt }) => prompt.again.length > 0),
    beyond: panes.some(({ prompt }) => prompt.ids.some((_, position) => prompt.isBeyond(position))),
    differs: panes.some(({ other }) => other),
  };
  for (const item of legend.querySelectorAll("[data-kind]")) item.hidden = !kinds[item.dataset.kind];
}

function labelled(text, name) {
  const element = document.createElement("span");
  element.textContent = text;
  element.className = name;
  return element;
}
