// The state of the page, its controls and keys.

const part = (id) => document.getElementById(id);
const runs = readRuns(JSON.parse(part("traces").textContent));
const detail = new Detail(part("detail"));
let panes = [];
let scale = null;
let step = 0;
let timer = null;

function lastStep() {
  return Math.max(0, ...panes.map((pane) => pane.prompt.steps));
}

/** Builds the panes of the runs and the prompt that are chosen, at their last step. */
function choose() {
  detail.hide();
  stop();
  const chosen = [part("run").value, part("beside").value].filter((value) => value !== "").map((index) => runs[index]);
  const number = part("prompt").value;
  part("panes").replaceChildren();
  panes = chosen.flatMap((run) => {
    const prompt = run.prompts.find((each) => String(each.number) === number);
    return prompt ? [new Pane(part("panes"), prompt, run, go)] : [];
  });
  document.title = chosen.map((run) => run.label).join(" | ");
  document.body.classList.toggle("compared", panes.length > 1);
  for (const pane of panes) pane.drawOnce(panes);
  drawKinds(part("legend"), panes);
  part("step").max = lastStep();
  recolour();
  go(lastStep());
}

function recolour() {
  scale = scaleOf(document.querySelector("#colour :checked").value, panes.map((pane) => pane.prompt));
  drawLegend(part("legend"), scale);
  draw();
}

function go(wanted) {
  step = Math.max(0, Math.min(lastStep(), wanted));
  draw();
  if (timer === null) say();
}

function draw() {
  const [still, differences] = ["still", "differences"].map((id) => part(id).checked);
  document.body.classList.toggle("still", still);
  part("step").value = step;
  part("position").textContent = `${step} of ${lastStep()}`;
  for (const pane of panes) pane.draw(step, scale, still, differences);
  if (detail.cell) showDetail(detail.cell);
}

/** For those who listen: not while it plays. */
function say() {
  part("said").textContent = panes.map((pane) => measuresOf(pane.prompt, step)).join("; ");
}

function stop() {
  clearInterval(timer);
  timer = null;
  part("play").textContent = "Play";
}

function play() {
  if (step === lastStep()) go(0);
  timer = setInterval(() => {
    go(step + 1);
    if (step === lastStep()) pause();
  }, 1000 / Number(part("speed").value));
  part("play").textContent = "Pause";
}

function pause() {
  stop();
  say();
}

function toggle() {
  if (timer === null) play();
  else pause();
}
