"""A structural attention mask changes the model between two steps.

before_step   what it may ask of the run: save, capture, fit
fitting       the step of a fit, in place of the diffusion loss
"""
