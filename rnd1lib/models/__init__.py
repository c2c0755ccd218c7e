"""Models and their folders: weights from anywhere in, ids to logits, folders that others open out.

What one looks for first:

loading      `load_model`
denoiser     `DiffusionLM`: ids in, raw logits out
export       `export`: a model as a folder that others open
importing    a GGUF file or somebody's folder as a folder that everything here reads
opening      what a model's path means: a run, a folder, a GGUF file, a name on the Hub
elsewhere    a component that a folder names and nothing here offers

What a forward pass is made of:

attention    who sees whom in a batch
key_values   keys and values of earlier passes
forward      one pass through the network
weights      weights in and out of a network, a tensor at a time

Behind them, each reading only what stands below it:

writing/     an exported folder: tensors, model card, comparison with what was meant
runs/        a run folder: its checkpoints, its weights, what it records
network/     torchtitan's decoder with our mask row, attention and scoring head
origins/     where weights come from: Hugging Face folders, GGUF files; what a model says of itself
tokens/      tokenizer, chat template, mask token
config/      config.json: words, sizes, faults; names of tensors
gguf/        the GGUF format

Importing this makes torchtitan importable and quiet, with torch alone; `network` brings torchtitan in:

cpu          what torchtitan asks of torch and does not find on a CPU
quiet        what torchtitan and torch say on stderr about things that are as we want them
"""

from rnd1lib.models import cpu, quiet

cpu.install()
quiet.install()
