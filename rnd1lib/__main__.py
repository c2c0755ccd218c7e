"""`python -m rnd1lib` is `rnd1`, so that `torchrun ... -m rnd1lib train RECIPE` is the same parser."""

from rnd1lib.cli.app import main

if __name__ == "__main__":
    main()
