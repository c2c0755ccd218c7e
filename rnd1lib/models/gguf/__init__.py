"""The GGUF format of llama.cpp's models, as plain data: Llama and Qwen architectures.

    files    a GGUF file as people find it: by itself, in a folder, inside a wheel
    header   what stands before the tensors: values by name, and where each tensor lies
    config   what the file says of its network, as config.json
    names    what it calls its tensors, in Hugging Face's names

Its tensors are an origin of weights (`origins.gguf_file`), its tokenizer one of `tokens` (`gguf_vocabulary`).
The packages gguf and transformers are imported only when a tensor or a tokenizer is asked for.
"""
