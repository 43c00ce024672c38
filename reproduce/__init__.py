"""Batches of notebooks: planned, run, and judged from their records."""

from pathlib import Path

from musiclib.installed import CHECKOUT, ROOT

HERE = Path(__file__).resolve().parent
NOTEBOOKS = ROOT / "notebooks" if CHECKOUT else HERE / "notebooks"
OUTPUTS = ROOT / "outputs" if CHECKOUT else Path("outputs")
"""Where results go: into the checkout, or below the working directory."""

EXECUTED, PARTIAL, FAILURE, LOG = "notebook.ipynb", "notebook.partial.ipynb", "failure.json", "log.txt"
"""What lies in a job's folder: the executed notebook, half of one, what went wrong, everything printed."""
