"""Evaluators: figures of a model while it trains.

nll     the loss on documents that the model never trained on
moved   how far each learning-rate group has come
"""
