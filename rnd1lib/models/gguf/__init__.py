"""GGUF files of Llama and Qwen models: config, tensors and tokenizer, as if they were a Hugging Face folder.

`header.py` reads the format, `config.py` what it says of the network, `source.py` its tensors, `vocabulary.py` its tokenizer.
The packages gguf and transformers are imported only when a tensor or a tokenizer is asked for.
"""
