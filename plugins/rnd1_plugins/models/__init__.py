"""Models: one network of many sizes, and the folders of each family.

qwen3       Qwen3, dense; SDAR's and A2D's folders
qwen3_moe   Qwen3-MoE, and RND1's own folders
qwen2       Qwen2 and what was converted from it: Dream, Open-dLLM
llama       Llama and what is built like it: SmolLM2
llada       LLaDA
llada_moe   LLaDA-MoE
"""
