"""Mutation testing of the core; `proofs_checks/mutation/__init__.py` has the rules.

    python -m proofs_checks.mutation                            all files; writes mutation.json and mutation.md
    python -m proofs_checks.mutation --file musiclib/joint.py   one file, nothing written to the repository
    python -m proofs_checks.mutation --guarantees               the guarantees and their lines, without running anything
    python -m proofs_checks.mutation --two-processes            only the guarantees between processes, a minute each
    python -m proofs_checks.mutation --by-hand                  the mutations by hand outside the core, as a table
    python -m proofs_checks.mutation --rest --minutes 30        mutants of everything else, for half an hour
    python -m proofs_checks.mutation --rest judging --minutes 5 only files with that in their names

Exit status 1 for a survivor without a reason, for a reason without a survivor, and for a guarantee whose test stays
green without it. With --rest survivors are listed, not judged, and the status is 0.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

from musiclib.installed import extra, need_checkout

need_checkout("python -m proofs_checks.mutation")
with extra("dev"):
    from musiclib import record as store
    from musiclib.files import write_json, write_text
    from musiclib.record import now, provenance
    from proofs_checks import RESULTS, ROOT
    from proofs_checks.mutation.guarantees import break_between_processes
    from proofs_checks.mutation.mutants import FILES, fingerprint
    from proofs_checks.mutation.page import counts_table, guarantees_table, mutations_table, page, rest_page
    from proofs_checks.mutation.rest import judge_rest, rest
    from proofs_checks.mutation.verdict import EQUIVALENT, judge_files


def main(arguments: list[str] | None = None) -> int:
    """Carry out the command; returns the exit status."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m proofs_checks.mutation", description=__doc__, formatter_class=plain
    )
    parser.add_argument("--file", action="append", choices=FILES, help="only this file; writes no result")
    parser.add_argument("--out", type=Path, default=Path("outputs/proofs"), help="where the copies and the results go")
    parser.add_argument("--fresh", action="store_true", help="do not go on with an interrupted run")
    parser.add_argument("--guarantees", action="store_true", help="print the table of guarantees and stop")
    parser.add_argument("--two-processes", action="store_true", help="take away only what several processes show")
    parser.add_argument("--by-hand", action="store_true", help="print the mutations by hand and stop")
    parser.add_argument(
        "--rest", nargs="*", metavar="PART", help="files outside the core, those with a PART in their name"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="with --rest: how long (default 30)")
    options = parser.parse_args(arguments)
    if options.rest is not None:
        return chew(options)
    if options.by_hand:
        print(mutations_table())
        return 0
    if options.guarantees:
        print(guarantees_table())
        return 0
    if options.two_processes:
        broken = break_between_processes()
        for name, gone_red in broken.items():
            print(f"{'red as it must be' if gone_red else 'STILL GREEN      '}  {name}")
        return 0 if all(broken.values()) else 1
    source = {**provenance(), "date": now(), "judged": fingerprint()}
    source["environment"]["mutmut"] = importlib.metadata.version("mutmut")
    folder = (options.out / f"mutation-{fingerprint()}").resolve()
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    result = {"provenance": source, **judge_files(folder, tuple(options.file or FILES))}
    if not options.file:
        write_json(RESULTS / "mutation.json", result)
        write_text(RESULTS / "mutation.md", page(result))
    print(counts_table(result["counts"]))
    red = [f"{m['name']} survives\n  - {m['original']}\n  + {m['mutated']}" for m in result["unexplained"]]
    red += [f"{EQUIVALENT.name} explains what does not survive: {json.dumps(entry)}" for entry in result["stale"]]
    green = [name for name, test in result["red_without"].items() if test is None]
    red += [f"without the guarantee {name!r} its test stays green" for name in green]
    for line in red:
        print(f"RED  {line}", file=sys.stderr)
    return 1 if red else 0


def chew(options: argparse.Namespace) -> int:
    """Carry out --rest."""
    files = [f for f in rest() if not options.rest or any(part in f for part in options.rest)]
    if not files:
        print(f"error: --rest {' '.join(options.rest)}: no file outside the core has that in its name", file=sys.stderr)
        return 2
    folder = (options.out / f"mutation-rest-{store.sources_hash(ROOT)}").resolve()
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    found = judge_rest(folder, files, options.minutes)
    result = {"provenance": {**provenance(), "date": now()}, "minutes": options.minutes, "files": found}
    if not options.rest:
        write_json(RESULTS / "mutation_rest.json", result)
        write_text(RESULTS / "mutation_rest.md", rest_page(result))
    print(rest_page(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
