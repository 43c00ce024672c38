"""Batches of notebooks: planned, run, and judged from their records."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"

EXECUTED, PARTIAL, FAILURE, LOG = "notebook.ipynb", "notebook.partial.ipynb", "failure.json", "log.txt"
"""What lies in a job's folder: the executed notebook, half of one, what went wrong, everything printed."""
