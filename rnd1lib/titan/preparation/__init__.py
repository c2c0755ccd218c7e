"""From a recipe to torchtitan's configuration; what cannot be is said before anything is written. In order:

changed_data      before a resume: are the documents those that the run began with?
plan              what the recipe asks of this machine and of `model.init`
start             what it begins from: the config of `model.init` or of a flavor
precision         what precision, fused loss and compilation ask of machine and network
prepared          what the trainer is built of: network facts, groups, rows, held-out rows
mask_choice       which token masks, and what its row starts from
model_folder      the run's `model/`: config, facts, tokenizer
schema            the recipe's `titan:` section, checked against torchtitan's dataclasses
config            all of that as torchtitan's Trainer.Config
quantization      float8 and mxfp8 products, put into that configuration
initial_weights   the weights that a new run starts from
"""
