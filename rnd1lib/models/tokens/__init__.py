"""Text to ids and back, and which id is the mask token's.

tokenizer         `Tokenizer`, and how one is trained
loading           `load_tokenizer`: of a folder or a GGUF file
gguf_vocabulary   the tokenizer that a GGUF file holds
chat              chat templates, in a sandbox
pieces            one token by itself, as a person is shown it
mask_token        which id is the mask token's
mask_name         a name for it, where the tokenizer knows none
"""
