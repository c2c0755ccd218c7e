"""An exported or imported folder, from plan to proof.

import_plan    what an import will write, worked out before anything is
new_folder     a folder that is there whole or not at all
tensor_files   safetensors files, in shards
streaming      a network that holds one layer at a time
comparison     what was written, read back: tensors bit for bit, logits
card           README.md: what is known of the model
card_of_run    its part on how the model was made
card_of_use    its part on how the folder is opened
markdown       texts that come from outside, as markdown
shipped_code   classes of ours that a folder carries for transformers
resources/     these classes
"""
