"""Documents to packed rows: streams, windows, first-fit decreasing, and a state small enough for any checkpoint.

faults = Faults(0.001)                                            # names broken documents; more than this share end a run
held = held_out(data, faults)                                     # content -> bool: is it kept from training?
rows = PackedRows(data, encode, ..., keep=lambda content: not held(content), faults=faults)
batch = rows.batch(first_row, count)                              # Batch(ids_BL, maskable_BL, documents_BL, positions_BL)
rows.load_state_dict(merge_states(states_of_all_ranks))           # the same rows as without a stop

streams        one stream's documents, windowed, and read again from wherever a run stopped
encoding       a document's tokens, and which of them may be masked
packing        documents into rows with hardly a place empty
rows           the rows of a run by their number, whichever rank asks
faults         broken documents: counted, named, weighed against what the recipe allows
held_out       which documents are kept from training
reading        a source read as a whole, before any row is packed
shards         documents encoded once, memory-mapped by every run
shard_writer   how they are written
"""

from rnd1lib.data.faults import Faults, Tally
from rnd1lib.data.held_out import held_out
from rnd1lib.data.reading import check_not_empty, whole_documents
from rnd1lib.data.rows import Filling, PackedRows, merge_states

__all__ = ["Faults", "Filling", "PackedRows", "Tally", "check_not_empty", "held_out", "merge_states", "whole_documents"]
