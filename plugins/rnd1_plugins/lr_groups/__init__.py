"""Learning-rate groups: which parameters learn, and how fast.

attention_first   attention learns, the rest keeps what the autoregressive model knew
uniform           one group
"""
