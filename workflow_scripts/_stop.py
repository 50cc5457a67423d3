"""How the workflow ends where its configuration or its files are wrong."""

import sys

from icl.errors import InputError


def or_stop(find, *arguments):
    """What is found, or an end with the message that says why there is nothing, last and alone (Snakemake adds a traceback)."""
    try:
        return find(*arguments)
    except InputError as error:
        sys.exit(f"\nERROR {error}\n")
