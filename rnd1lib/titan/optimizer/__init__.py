"""Who learns how fast.

groups        learning-rate groups: each parameter in exactly one
group_table   the groups as a table on stderr, and rates too small for their weights
schedule      the learning rate: warm-up, then stages
moved         how far the weights have come
"""
