"""`python -m influence_nb` is the command `influence`."""

from influence_nb.cli import main

main()
