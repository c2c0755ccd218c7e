"""The network: torchtitan's decoder with our mask row, attention and scoring head. No other package of models imports it.

decoder           the whole, and `spec`, which a model component returns
layers            its layers, as torchtitan's configs
embedding         the table, whose mask row is a parameter of its own
rope              rotary positions
inner_attention   attention over what `models.attention` made of masks and documents
router            which experts a token goes to; losses may be attached to it
experts           experts that compute in the dtype that the recipe asks for
attached_loss     a loss of one layer, hung on what the layer gives
head              logits, or the loss of the scored rows in chunks
liger             the same by liger-kernel
initial           initial weights as functions of seed and name
"""
