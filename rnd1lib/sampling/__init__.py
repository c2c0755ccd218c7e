"""Sampling: one loop that owns canvas, blocks, guidance and stopping; a sampler decides what each step commits.

generation    `generate` and `infill`: text from any denoiser, by any sampler
arguments     what a caller may ask of them, checked before the model is
gaps          ids as text, in which `[[8]]` is a gap of 8 tokens
placeholder   what stands for a token to come where a model has no mask token
canvas        the texts while they are filled in, and where in its blocks each stands
loop          look, let the sampler decide, commit, until nothing is left
view          one step as a sampler sees it
reading       asking the model about positions of a canvas
cache         keys and values kept between passes
scores        what the model thinks of these positions: one pass over the vocabulary
law           how tokens are drawn
record        what a step did, for `Generation.steps` and observers
call          what observers and a trace are told of the call

job           many texts from one command: batch after batch, on all ranks
ranks         the processes that share them
rounds        what the ranks have done, brought together while they work
"""
