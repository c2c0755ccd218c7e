"""Samplers: how many positions a step commits, which, and with what token."""
