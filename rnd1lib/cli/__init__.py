"""`rnd1 ...`, one file a command. Text goes to stdout, all else to stderr; nothing here imports torch.

app          the commands, and what an exception becomes: a sentence and an exit code
groups       their order in `rnd1 --help`

train        a recipe from start or resume to its end
sample       texts continued, or a conversation answered
infill       gaps filled
import_      somebody's model as a folder that everything reads
export       a run or folder in a layout that others open
tokenize     a recipe's documents as token ids on disk
data         a recipe's data, looked at
recipe       recipes, looked at
components   what can be named in a recipe
trace        a trace file, looked at
doctor       whether this machine can train and sample
demo         the whole way, made of the commands above

request      what `sample` and `infill` share: options, and the way to printed answers
sampling_command  their parser: a sampler's option is no flag
prompts      their texts: arguments, stdin, lines, JSON lines
chat         a conversation in a terminal
printing     answers on stdout; notes, the live view and the progress on stderr
recording    `--trace` and `--html`
stages       what a demo is made of
demo_tiny    the demo of a tiny model
demo_real    the demo of SmolLM2-135M
"""
