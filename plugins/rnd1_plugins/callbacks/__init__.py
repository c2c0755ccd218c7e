"""Callbacks: they watch a run and change nothing.

console       one line a step on stderr
tensorboard   curves
sample        a prompt finished by the model in training
"""
