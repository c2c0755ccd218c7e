"""What config.json says of a network, for every family.

spelling       families with words of their own, in transformers' words
problems       what is wrong with a config.json
dimensions     a config.json as sizes: one reader for every family
tensor_names   which Hugging Face tensors make up each parameter
layouts        config.json as each folder layout spells it
"""
