// What the page was given: runs, each with its facts and prompts; for every place of a prompt, what happened there and when.

/** Batches of one call of the command share their facts: they are one run. */
function readRuns(traces) {
  const runs = [];
  for (const trace of traces) {
    const facts = factsOf(trace.header);
    const prompts = trace.canvases.map((canvas, row) => readPrompt(trace, canvas, row));
    const numbers = new Set(prompts.map((prompt) => prompt.number));
    const run = runs.find((each) => sameFacts(each.facts, facts) && !each.prompts.some((prompt) => numbers.has(prompt.number)));
    if (run) run.prompts.push(...prompts);
    else if (prompts.length) runs.push({ facts, prompts });
  }
  runs.forEach((run, index) => (run.label = labelOf(run, index, runs)));
  return runs;
}

function factsOf(header) {
  const facts = {
    model: header.model,
    tokenizer: header.tokenizer,
    vocabulary: header.vocabulary?.slice(0, 12),
    shift: header.shift,
    seed: header.seed,
    guidance: header.guidance,
    cache: header.cache && `${header.cache} (${header.exact ? "exact" : "approximate"})`,
    sampler: header.sampler,
    ...header.options,
  };
  const told = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? null).replace(/^null$/, "none"));
  return new Map(Object.entries(facts).map(([name, value]) => [name, told(value)]));
}

function sameFacts(one, other) {
  return one.size === other.size && [...one].every(([name, value]) => other.get(name) === value);
}

/** A run by its sampler and by what else sets it apart from the others. */
function labelOf(run, index, runs) {
  const isApart = ([name, value]) => name !== "sampler" && value !== "none" && runs.some((each) => each.facts.get(name) !== value);
  const told = [...run.facts].filter(isApart).slice(0, 3).map(([name, value]) => `${name} ${value}`);
  const number = runs.length > 1 ? `${index + 1}: ` : "";
  return number + [run.facts.get("sampler"), ...told].join(", ");
}

/** Steps count from 1 here: step 0 is the canvas before the first. */
function readPrompt(trace, canvas, row) {
  const { header, tokens } = trace;
  const ids = canvas.tokens.map((token) => tokens[token][0]);
  const masked = ids.map((id) => id === header.mask_token_id);
  const histories = readHistories(trace, row, ids.length);
  const events = histories.flat().sort((one, other) => one.step - other.step);
  const finals = ids.map((id, position) => standing(histories[position].at(-1), masked[position], id));
  const end = finals.findIndex((id, position) => masked[position] && id !== null && header.end_token_ids.includes(id));
  const isBeyond = (position) => end >= 0 && position > end && masked[position];
  return {
    number: canvas.number,
    tokenizer: header.tokenizer,
    vocabulary: header.vocabulary,
    ids,
    masked,
    pieces: new Map(tokens),
    histories,
    commits: events.filter((event) => !event.again),
    again: events.filter((event) => event.again),
    steps: events.at(-1)?.step ?? 0,
    finals,
    isBeyond,
    places: [...ids.keys()].filter((position) => masked[position] && !isBeyond(position)),
  };
}

/** For each place of a row, its events in order. */
function readHistories({ tokens, lines }, row, length) {
  const histories = Array.from({ length }, () => []);
  for (const line of lines) {
    const step = line.step + 1;
    for (const [where, position] of line.again) {
      if (where === row) histories[position].push({ step, position, again: true });
    }
    line.row.forEach((where, index) => {
      if (where === row) histories[line.position[index]].push(readCommit(tokens, line, index));
    });
  }
  return histories;
}

/** Measures come in thousandths of a nat. */
function readCommit(tokens, line, index) {
  const best = line.best[index] ?? [];
  return {
    step: line.step + 1,
    position: line.position[index],
    id: tokens[line.token[index]][0],
    probability: known(line.surprisal[index], (surprisal) => Math.exp(-surprisal / 1000)),
    entropy: known(line.entropy[index], (entropy) => entropy / 1000),
    top: Array.from({ length: best.length / 2 }, (_, each) => {
      const [token, surprisal] = best.slice(2 * each);
      return [tokens[token][0], Math.exp(-surprisal / 1000)];
    }),
    again: false,
  };
}

function known(value, convert) {
  return value === null || value === undefined ? null : convert(value);
}

/** What happened last at a place, up to a step; undefined if nothing has. */
function eventAt(history, step) {
  return history.findLast((event) => event.step <= step);
}

/** The id that stands at a place after a step; null where it is masked. */
function idAt(prompt, position, step) {
  return standing(eventAt(prompt.histories[position], step), prompt.masked[position], prompt.ids[position]);
}

function standing(event, masked, given) {
  if (event) return event.again ? null : event.id;
  return masked ? null : given;
}

/** Whether two prompts began alike, so that their answers can be compared place by place. */
function comparable(prompt, other) {
  return prompt.vocabulary === other.vocabulary && String(prompt.ids) === String(other.ids);
}

/** A token's text with nothing invisible left in it; its id where it has none. Without a tokenizer texts are ids, set apart. */
function pieceOf(prompt, id) {
  const piece = prompt.pieces.get(id);
  if (!piece) return `⟨${id}⟩`;
  return visible(piece) + (prompt.tokenizer === null ? " " : "");
}

const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function visible(text) {
  return text
    .replace(/\r\n?/g, (ending) => (ending === "\r" ? "␍" : "␍\n"))
    .replace(INVISIBLE, (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`)
    .replace(/\n/g, "↵\n")
    .replace(/\t/g, "→\t");
}

/** A number as a person reads it: three digits, and none for what was not recorded. */
function readable(value) {
  if (value === null || value === undefined) return "not recorded";
  return String(Number(value.toPrecision(3)));
}

function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}
