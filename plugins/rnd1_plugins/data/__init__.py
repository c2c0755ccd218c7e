"""Data components: where documents come from.

python_docs   the corpus that every Python brings along
text          plain files, a document each
jsonl         a JSON object a line
parquet       Apache Parquet files
hub           data sets of the Hugging Face hub, streamed
chat          conversations, of which each answer is learned
tokens        what `rnd1 tokenize` wrote
mix           several sources as one, each with its share

files         what the sources that read files have in common
lines         files with a JSON object a line, in which a place is an offset
"""
