"""An exported or imported folder, from plan to proof.

import_plan                  what an import is going to write, or why it cannot
new_folder                   a folder that is there whole or not at all
tensor_files                 safetensors files, in shards
streaming                    a network that holds one layer at a time
comparison                   what was written, read back: tensors bit for bit, logits
card                         README.md, of these parts:
card_of_run, card_of_use     how the model was made; how its folder is opened
markdown                     texts that come from outside, as markdown
shipped_code, resources      classes of ours that a folder carries for transformers
"""
