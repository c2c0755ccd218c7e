"""What a training step is made of; `rnd1lib.titan.trainer` puts it together.

loader            packed rows as torchtitan's data loader
training_states   hidden states of the rows, doubled under block diffusion
router_losses     an objective's losses of the routers
non_finite        steps that are passed over
"""
