"""Command line: try the claims and their controls, print one row a claim.

    python -m proofs_checks                          quick profile, declared controls
    python -m proofs_checks --claim C3 --claim W1    some claims
    python -m proofs_checks --profile thorough       at least 10,000 examples a property; resumable
    python -m proofs_checks --controls               the kill matrix: every wrong loss against every check
    python -m proofs_checks --markdown               the README's table, without running anything
    python -m proofs_checks --write                  run both and store claims.json, kill_matrix.json and claims.md
    python -m proofs_checks --formal [--write]       compile the Coq theorems; --write stores formal.json, from which
                                                     the tables take their mark machine-checked
    python -m proofs_checks --target pkg.mod:adapter the same claims asked of anybody's implementation of MUSIC; the
                                                     least it needs is a function loss(z1, z2, segments)
                                                     (docs/conformance.md); --write stores the verdicts for that page
    python -m proofs_checks --peer simclr --target pkg.mod:loss
                                                     what is stated of a peer, asked of anybody's implementation of it

Exit status 0 if all is as registered: every check holds, every control goes red, no wrong loss survives, every theorem
compiles from nothing but the axioms of the real numbers. 1 if not. 2 if the arguments are wrong. 3 if --formal finds no
coqc. 130 if interrupted; long runs go on where they were. With --target: 0 if nothing that could be
asked fails, 1 if something does, 2 if the target cannot be loaded or is no adapter.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from musiclib.installed import extra, need_checkout

with extra("suite"):
    from musiclib.console import Parser, forgiving, unsupported
    from musiclib.files import jsonable, write_json, write_text
    from musiclib.record import now, provenance
    from proofs_checks import RESULTS, report
    from proofs_checks.claims import CLAIMS, checks_of
    from proofs_checks.conformance import command as conformance
    from proofs_checks.conformance.peers import PEERS
    from proofs_checks.conformance.target import TargetError
    from proofs_checks.formal.record import carry_out as carry_out_formal
    from proofs_checks.profiles import PROFILES, QUICK
    from proofs_checks.register import CHECKS
    from proofs_checks.trial import Plan, Trial, checks_hash, default_jobs, folder_of, try_all
    from proofs_checks.wrong import MUTANTS

OUT = Path("outputs/proofs")


def parser() -> argparse.ArgumentParser:
    """The parser of the options."""
    p = Parser(
        prog="python -m proofs_checks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--profile", choices=sorted(PROFILES), default="quick", help="how much is tried (default: quick)")
    p.add_argument("--claim", action="append", metavar="ID", help="only this claim (W1, C1, ...); may be repeated")
    p.add_argument("--controls", action="store_true", help="all wrong losses against all checks: the kill matrix")
    p.add_argument("--json", action="store_true", help="print data instead of a table")
    p.add_argument("--markdown", action="store_true", help="print the README's table of the paper's words and stop")
    p.add_argument("--formal", action="store_true", help="compile the machine-checked theorems (needs coqc) and stop")
    p.add_argument("--target", metavar="PKG.MOD:NAME", help="judge this implementation instead of the library's")
    p.add_argument("--peer", choices=sorted(PEERS), help="the target is an implementation of this peer, not of MUSIC")
    p.add_argument("--write", action="store_true", help=f"store the results for the repository under {RESULTS.name}/")
    p.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    p.add_argument("--seed", type=int, default=0, help="seed of the thorough profile; quick tries the same always")
    p.add_argument("--out", type=Path, default=OUT, help=f"where results of long runs go (default: {OUT})")
    p.add_argument("--fresh", action="store_true", help="try again what an earlier run has finished")
    return p


def refuse_wrong(options: argparse.Namespace) -> None:
    """Leave with one line where the options cannot be meant so, or would try nothing."""
    if not __debug__:
        parser().error("checks are assert statements, which PYTHONOPTIMIZE or -O removes; run without it")
    if unknown := [one for one in options.claim or [] if one not in CLAIMS]:
        parser().error(f"unknown claim {unknown[0]!r}: the register has {', '.join(CLAIMS)}")
    if options.jobs is not None and options.jobs < 1:
        parser().error(f"--jobs {options.jobs} must be at least 1")
    if options.write and options.claim:
        parser().error("--write stores all claims; leave out --claim")


def names_of(ids: list[str] | None) -> list[str]:
    """The names of the checks that carry the claims; all checks when no claim is named."""
    return list(dict.fromkeys(check.name for one in ids for check in checks_of(CLAIMS[one]))) if ids else list(CHECKS)


def carry_out(names: list[str], plan: Plan, options: argparse.Namespace) -> dict[str, Trial]:
    """Try the named checks; long plans store their trials on disk. Returns name -> trial."""
    out = options.out if plan.profile is not QUICK or plan.controls == "all" else None
    if out is not None and options.fresh:
        for path in folder_of(plan, out).glob("*.json"):
            path.unlink()
    return {trial.check: trial for trial in try_all(names, plan, jobs=options.jobs or default_jobs(), out=out)}


def judge_target(options: argparse.Namespace) -> int:
    """Judge somebody's implementation; returns the exit status."""
    try:
        if not options.target:
            raise TargetError("--peer: expected a --target too")
        if options.peer:
            return conformance.carry_out_peer(options.target, options.peer, as_json=options.json)
        jobs = options.jobs or default_jobs()
        if options.write and options.claim:
            raise TargetError("--write: stores all claims; leave out --claim")
        return conformance.carry_out(
            options.target, options.claim, jobs=jobs, as_json=options.json, write=options.write
        )
    except TargetError as fault:
        print(fault, file=sys.stderr)
        return 2


def main(arguments: list[str] | None = None) -> int:
    """Carry out the command; returns the exit status."""
    with forgiving():
        if reason := unsupported():
            print(f"proofs_checks: {reason}", file=sys.stderr)
            return 2
        try:
            options = parser().parse_args(arguments)
            refuse_wrong(options)
            return carry_out_command(options)
        except KeyboardInterrupt:
            print("proofs_checks: interrupted", file=sys.stderr)
            return 130


def carry_out_command(options: argparse.Namespace) -> int:
    """What the checked options ask for; returns the exit status."""
    if options.write:
        need_checkout("python -m proofs_checks --write")
    if options.markdown:
        print(report.readme_table())
        return 0
    if options.formal:
        return carry_out_formal(write=options.write, as_json=options.json)
    names = names_of(options.claim)
    if options.target or options.peer:
        return judge_target(options)
    plan = Plan(PROFILES[options.profile], options.seed, "all" if options.controls else "declared")
    trials = carry_out(names, plan, options)
    claims = [CLAIMS[one] for one in options.claim] if options.claim else list(CLAIMS.values())
    rows = [report.row_of(claim, trials) for claim in claims]
    wrong = report.failures(trials)
    alive = report.survivors(trials) if options.controls and not options.claim else []
    if options.write:
        wrong += write_results(options, rows, trials)
    if options.json:
        data = report.matrix_json(trials) if options.controls else report.claims_json(rows, trials)
        print(json.dumps(jsonable(data), indent=1))
    else:
        print(report.matrix_table(trials) if options.controls else report.text_table(rows))
        tried = sum(trial.tried for trial in trials.values())
        print(f"\n{len(rows)} claims, {len(trials)} checks, {tried} examples, {len(MUTANTS)} wrong losses.")
    for line in [*wrong, *(f"{mutant} survives every check" for mutant in alive)]:
        print(f"RED  {line}", file=sys.stderr)
    return 1 if wrong or alive else 0


def write_results(options: argparse.Namespace, rows: list[report.Row], trials: dict[str, Trial]) -> list[str]:
    """Store the rows of this run and a kill matrix of all checks, with their origin; returns what survives it."""
    matrix = trials if options.controls else carry_out(list(CHECKS), Plan(QUICK, 0, "all"), options)
    source = {**provenance(), "date": now(), "profile": options.profile, "seed": options.seed}
    source["code"]["checks"] = checks_hash()
    write_json(RESULTS / "claims.json", {"provenance": source, **report.claims_json(rows, trials)})
    write_json(RESULTS / "kill_matrix.json", {"provenance": source, **report.matrix_json(matrix)})
    origin = report.describe_origin(f"python -m proofs_checks --write --profile {options.profile}", source)
    head = (
        f"# Claims\n\n{origin}, torch {source['environment']['torch']}, seed {options.seed}. {len(trials)} checks, "
        f"{sum(t.tried for t in trials.values())} examples, {len(MUTANTS)} wrong losses, "
        f"{len(report.survivors(matrix))} survivors.\n\nSlack: by how much the tightest inequality held, in nats "
        f"(rounding may leave it at -1e-15). Error/tolerance: the largest share of its derived tolerance that an "
        f"equality used. Controls: wrong losses and dropped premises that went red.\n\n"
    )
    write_text(RESULTS / "claims.md", head + report.claims_table(rows) + "\n")
    return [f"{mutant} survives every check" for mutant in report.survivors(matrix)]


if __name__ == "__main__":
    sys.exit(main())
