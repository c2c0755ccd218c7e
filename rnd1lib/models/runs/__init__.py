"""A run folder, for those who read it: loading, exporting, going on.

folder              where things lie in it, and which checkpoints are whole
manifest            the files that belong to a checkpoint, to the bit
checkpoint_reader   a checkpoint's tensors, without running code that may be in it
weights             the newest checkpoint as an origin of weights
record              how the model was made: recipe, steps, evaluations, versions
"""
