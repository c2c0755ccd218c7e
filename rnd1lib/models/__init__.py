"""Networks and their folders: Hugging Face in and out, attention, the denoiser. Importing it makes torchtitan importable.

Torch alone is imported here; `network.py`, and what it alone imports, brings torchtitan in.
"""

from rnd1lib.models import cpu, quiet

cpu.install()
quiet.install()
