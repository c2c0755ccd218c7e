"""Where the weights of a network come from, and what a model says of itself.

origin      the interface: a config, perhaps a tokenizer, and weights by name
folder      a Hugging Face folder, here or on the Hub
fused       experts that such a folder stores as one tensor
gguf_file   a GGUF file, dequantised a tensor at a time
facts       rnd1_config.json: shift, mask token, attention, noise
licence     under which one may use a model, as far as it says so
listing     long lists of wrong tensors, shorter
overrides   what a caller of `load_model` says otherwise
mask_row    what the mask token's row starts from, and a table that grows by it
mask_rule   such a row as a person writes it: mean, zero, keep, token:ID

A run's checkpoint is an origin too (`models.runs.weights`); `models.opening` finds the one that a path means.
"""
