"""The training engine on torchtitan. What a run meets, in order:

runner          `train`: from a recipe to a finished run; reads as the table of contents of what follows
signals         Ctrl-C and SIGTERM end a run behind a whole step
ranks           one rank's error ends all
preparation/    from the recipe to what torchtitan builds a trainer of
loop            the run around the step: resume, evaluate, call back, save, stop
records         recipe.yaml, metrics.jsonl, status.json
running         the run as callbacks and evaluators see it
trainer         one step: rows, corruption, targets, hidden states, loss, update
step/           what that step is made of
optimizer/      learning-rate groups and the schedule, and what they do to the weights
checkpoint/     save, verify, resume
grafting/       what an attention mask may do between two steps, and the fit in place of a step

first_rows      `rnd1 data show`: the rows of the first step
tokenization    `rnd1 tokenize`: documents encoded once
"""

import rnd1lib.models  # noqa: F401 - installs the CPU platform, which has to stand before torchtitan is imported
