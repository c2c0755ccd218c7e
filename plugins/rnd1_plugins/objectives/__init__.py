"""Objectives: which logit row is scored against which token, with what weight.

a2d_shift        masked diffusion that keeps the autoregressive head's job
mdlm             masked diffusion without a shift
autoregressive   next-token prediction
router_losses    what each may ask of a mixture's routers besides
"""
