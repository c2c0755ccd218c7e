"""The training engine on torchtitan. Its files, in the order in which a run meets them:

runner          `train`: from a recipe to a finished run; reads as the table of contents of what follows
changed_data    before a resume: are the documents those that the run began with?
signals         Ctrl-C and SIGTERM end a run behind a whole step
ranks           one rank's error ends all

plan            what the recipe asks of this machine and of `model.init`, before anything is written
model_folder    the run's `model/`: config, mask token, tokenizer
precision       what precision, fused loss and compilation ask of machine and network
groups          learning-rate groups: each parameter in exactly one
preparation     what the trainer is built of: network facts, groups, rows, held-out rows
schema          the recipe's `titan:` section, checked against torchtitan's dataclasses
config          all of that as torchtitan's Trainer.Config
quantization    float8 and mxfp8 products, put into that configuration

loop            the run around the step: resume, evaluate, call back, save, stop
initial         the weights that a new run starts from
group_table     the groups as a table on stderr
before_step     what an attention mask may do between two steps
records         recipe.yaml, metrics.jsonl, status.json
running         the run as callbacks and evaluators see it
moved           how far the weights have come

trainer         one step: rows, corruption, targets, hidden states, loss, update
loader          packed rows as torchtitan's data loader
reading         hidden states of the rows, doubled under block diffusion
auxiliary       the routers' losses
fitting         the step of a graft, in place of the diffusion loss
non_finite      steps that are passed over
schedule        the learning rate: warm-up, then stages

checkpoint      save, verify, resume
commit          a checkpoint is there whole or not at all
retention       which checkpoints are kept

first_rows      `rnd1 data show`: the rows of the first step
tokenization    `rnd1 tokenize`: documents encoded once
"""

import rnd1lib.models  # noqa: F401 - installs the CPU platform, which has to stand before torchtitan is imported
