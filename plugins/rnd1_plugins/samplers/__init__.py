"""Samplers: how many positions a step commits, which, and with what token.

rnd1_entropy    where the model is sure, by entropy
llada           an even quota a step, by confidence or at random
dream           four orders, with chance in the order if wanted
threshold       all that is sure enough
factor          the more at once, the surer each must be
ancestral       the reverse process itself
p2              what was committed may be masked again
left_to_right   autoregressive decoding

options         the options that all of them have
quota           how many a step commits where that is fixed beforehand
narrower        two filters at once, as Dream applies them
"""
