"""Noise schedules: how fast masks come.

linear           masked with probability t
cosine           two of the literature: md4's and mdlm's
cosine_squared   more time near both ends
geometric        noise that grows by the same factor in equal times
log_linear       linear with a rest of clean tokens at its end
polynomial       masks later or sooner, by a power
"""
