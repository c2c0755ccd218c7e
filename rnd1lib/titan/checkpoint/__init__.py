"""A run can be killed at any moment and goes on from its newest whole checkpoint.

checkpoints   torchtitan's checkpoint manager: save, verify, resume
commit        a checkpoint is there whole or not at all
retention     which checkpoints are kept
"""
