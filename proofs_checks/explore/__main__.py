"""Command line of the explorations; see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from musiclib.installed import need_checkout
from musiclib.plots.style import save_svg
from proofs_checks.explore import batch_training, floor, minima, reversal, softness
from proofs_checks.explore.pictures import FIGURES
from proofs_checks.explore.record import RESULTS, run

EXPLORATIONS = {
    module.EXPLORATION.name: module.EXPLORATION for module in (floor, softness, minima, reversal, batch_training)
}


def main(argv: list[str] | None = None) -> int:
    """Run the named explorations, or list them; 0 when all asked for are finished."""
    parser = argparse.ArgumentParser(
        prog="python -m proofs_checks.explore",
        description="Seeded, resumable experiments beyond the proven claims, minutes each: a record and a figure each.",
    )
    known = ", ".join(EXPLORATIONS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {known}; none: list them")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="discard finished rows instead of resuming")
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.names if name not in EXPLORATIONS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {known}")
    if not arguments.names:
        for name, exploration in EXPLORATIONS.items():
            print(f"{name:16s}{len(exploration.settings):4d} rows   {exploration.question}")
        return 0
    if arguments.out == RESULTS:
        need_checkout("python -m proofs_checks.explore without --out")
    torch.set_num_threads(1)
    for name in arguments.names:
        record = run(EXPLORATIONS[name], arguments.out, fresh=arguments.fresh)
        save_svg(FIGURES[name](record["rows"]), arguments.out / f"{name}.svg")
        print(f"{name}: {len(record['rows'])} rows in {record['seconds']:.0f} s -> {arguments.out / (name + '.json')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
