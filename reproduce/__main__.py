"""`python -m reproduce`: run notebooks in batches, list what would run, build the report, compare two result sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from musiclib.installed import extra

with extra("suite"):
    import yaml
    from tabulate import tabulate

    from musiclib.console import Parser, forgiving, unsupported
    from musiclib.schema import read_mapping, read_yaml
    from reproduce import NOTEBOOKS, OUTPUTS, tune
    from reproduce.batch import executors, known, runner, slurm
    from reproduce.batch.processes import Refused, cores
    from reproduce.judging import compare, records, report
    from reproduce.planning import cost
    from reproduce.planning.jobs import Plan, duration
    from reproduce.planning.parameters import read_notebook, unknown_name
    from reproduce.planning.plan import build, names_notebook, profile_names, profile_path

EPILOG = """
examples:
  python -m reproduce list                                   profiles and notebooks
  python -m reproduce list --profile cpu                     every job of a profile: values, expected time, what is done
  python -m reproduce run                                    the quick profile, into outputs/quick
  python -m reproduce run --profile cpu --resume             go on where the last run ended, however it ended
  python -m reproduce run --profile cpu --only 03 --set dataset=cifar10 --set epochs=8 --data-root ~/data
  python -m reproduce run --profile cpu --executor slurm --slurm slurm_partition=gpu --slurm mem_gb=16
  python -m reproduce report --out outputs/cpu               build report.html again from the records
  python -m reproduce keep --out outputs/cpu --into known    records and kept evaluations, without the encoders
  python -m reproduce run --profile cpu --known known        on another machine: what is known is not run again
  python -m reproduce compare outputs/cpu reproduce/results/cpu

A job is done only when its notebook says so in its own record; everything is written to OUT:
  OUT/report.html            what was run, verdict by claim, tables, figures (one file, no network)
  OUT/records.jsonl          one line a training run and a line a notebook: what every number rests on
  OUT/notebooks/JOB/         executed notebook, log, figures
  OUT/runs/HASH/             training runs with checkpoints; notebooks that want the same run share it
  OUT/tables/                the tables as Markdown and LaTeX

exit codes: 0 all done; 1 a job failed or was not reached, the results folder could not be written to any more, or
compare --strict found a change; 2 the request was wrong or could not start, nothing ran; 129, 130 or 143 ended by
SIGHUP, Ctrl-C or SIGTERM, and --resume goes on."""


def parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    top = Parser("python -m reproduce", description=__doc__, epilog=EPILOG, formatter_class=shape)
    commands = top.add_subparsers(dest="command", required=True, metavar="run | list | report | keep | compare | tune")

    def planned(name: str, help: str, profile: str | None) -> argparse.ArgumentParser:
        p = commands.add_parser(name, help=help, description=help, formatter_class=shape)
        p.add_argument(
            "--profile",
            default=profile,
            metavar="NAME",
            help=f"{', '.join(profile_names())}, or a YAML file" + (f" (default {profile})" if profile else ""),
        )
        p.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="NOTEBOOK",
            help="only this notebook ('03' will do) or this job; may be repeated",
        )
        p.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            dest="settings",
            help="a parameter for every chosen notebook that has it, read by the type it has there; may be repeated",
        )
        p.add_argument("--data-root", metavar="DIR", help="where data sets lie (default: MUSICLIB_DATA, else ./data)")
        p.add_argument("--out", type=Path, metavar="DIR", help="results folder (default: outputs/PROFILE)")
        p.add_argument(
            "--notebooks",
            type=Path,
            default=NOTEBOOKS,
            metavar="DIR",
            help="folder of the notebooks (default: notebooks)",
        )
        return p

    p = planned("run", "Run the notebooks of a profile and build the report.", "quick")
    p.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="notebooks at a time; the cores are divided among them (default: the profile's)",
    )
    p.add_argument("--threads", type=int, metavar="N", help="threads of each notebook (default: cores / jobs)")
    p.add_argument(
        "--resume", action="store_true", help="keep what is done, go on with what is half done, try again what failed"
    )
    p.add_argument(
        "--fresh",
        action="store_true",
        help="delete the results in the folder and begin again; refused where anything there is not the runner's own",
    )
    p.add_argument(
        "--known",
        type=Path,
        metavar="DIR",
        help="take the records that `keep` left in DIR as finished runs, as far as this very code made them",
    )
    p.add_argument(
        "--executor", choices=["local", "slurm"], default="local", help="where jobs run (slurm: through submitit)"
    )
    p.add_argument(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of submitit for --executor slurm (slurm_partition=gpu, cpus_per_task=16, mem_gb=16); may be "
        "repeated. A job asks for as many cores as it has threads, and for the memory and time of its profile",
    )
    p.add_argument("--dry-run", action="store_true", help="check everything, start nothing")
    p.add_argument("--quiet", action="store_true", help="only the result")
    planned("list", "What would run: values, expected time and disk, what is done already.", None)

    p = commands.add_parser(
        "report", help="build report.html and the tables of a results folder again, from its records"
    )
    p.add_argument(
        "--profile", default="quick", metavar="NAME", help="the profile whose default folder is meant (default quick)"
    )
    p.add_argument("--out", type=Path, metavar="DIR", help="results folder (default: outputs/PROFILE)")
    p.add_argument(
        "--beside", type=Path, metavar="DIR", help="another results folder to show (default: reproduce/results/PROFILE)"
    )
    about = "keep the records and evaluations of a results folder for another machine, each once"
    p = commands.add_parser("keep", help=about, description=known.__doc__, formatter_class=shape)
    p.add_argument("--out", type=Path, required=True, metavar="OUT", help="results folder, also one that still runs")
    p.add_argument("--into", type=Path, required=True, metavar="DIR", help="where they are kept; run takes --known DIR")
    p = commands.add_parser("compare", help="what changed between two result sets beyond their uncertainty")
    p.add_argument("a", type=Path, metavar="A", help="results folder")
    p.add_argument("b", type=Path, metavar="B", help="results folder; differences are B - A")
    p.add_argument("--strict", action="store_true", help="exit with 1 when a number changed or a row is missing")
    about = "the same small search for every method, on a validation split"
    tune.add_arguments(commands.add_parser("tune", help=about, description=tune.__doc__, formatter_class=shape))
    return top


def table(rows: list[list[str]]) -> str:
    """Rows of text in aligned columns; the first row is the head."""
    return tabulate(rows, "firstrow", tablefmt="simple", disable_numparse=True)


def planned(args: argparse.Namespace) -> Plan:
    return build(
        args.profile, notebooks=args.notebooks, only=args.only, settings=args.settings, data_root=args.data_root
    )


def folder(args: argparse.Namespace, plan: Plan) -> Path:
    return args.out if args.out is not None else OUTPUTS / plan.profile


def print_problems(plan: Plan) -> int:
    """Print every mistake of a plan; the exit code."""
    for problem in plan.problems:
        print(f"error: {problem}", file=sys.stderr)
    if plan.problems:
        print(
            f"{len(plan.problems)} mistake{'s' if len(plan.problems) > 1 else ''}; nothing was started.",
            file=sys.stderr,
        )
    return 2 if plan.problems else 0


def list_profiles(args: argparse.Namespace) -> int:
    rows = [["profile", "budget", "notebooks", "for"]]
    for name in profile_names():
        content = read_mapping(profile_path(name))
        budget = content.get("budget", {})
        books = dict.fromkeys(str(j.get("notebook")).split("_")[0] for j in content.get("jobs", []))
        rows.append([name, duration(60 * budget.get("minutes", 0)), " ".join(books), content.get("purpose", "")])
    print(table(rows), end="\n\n")
    rows = [["notebook", "parameters", "title"]]
    for path in sorted(Path(args.notebooks).glob("*.ipynb")):
        book = read_notebook(path)
        rows.append([book.name, str(len(book.parameters)) if not book.problems else "BROKEN", book.title])
        for problem in book.problems:
            print(f"error: {path.name} {problem}", file=sys.stderr)
    print(table(rows))
    print(
        "\nmore: python -m reproduce list --profile NAME;  parameters of a notebook: python -m reproduce list "
        "--only NOTEBOOK"
    )
    return 0


def list_parameters(args: argparse.Namespace) -> int:
    books = [read_notebook(p) for p in sorted(Path(args.notebooks).glob("*.ipynb"))]
    for wanted in args.only:
        if not any(names_notebook(wanted, b.name) for b in books):
            print(
                f"error: --only {wanted}: {unknown_name(wanted, [b.name for b in books], 'notebook')}", file=sys.stderr
            )
            return 2
    for book in (b for b in books if any(names_notebook(w, b.name) for w in args.only)):
        print(f"{book.name}: {book.title}")
        rows = [["parameter", "type", "default", "meaning"]]
        rows += [[p.name, p.annotation, repr(p.default), p.help] for p in book.parameters.values()]
        print(table(rows), end="\n\n")
    return 0


def list_jobs(args: argparse.Namespace) -> int:
    plan = planned(args)
    result = folder(args, plan).resolve()
    print(f"{plan.profile}: {plan.title}\n{plan.purpose}\nresults in {result}\n")
    rows = [["job", "state", "expected", "disk", "values"]]
    for job in plan.jobs:
        values = " ".join(f"{n}={v}" for n, v in job.given.items() if n != "data_root")
        rows.append([job.id, runner.state(job, result), duration(60 * job.minutes), f"{job.disk_mb:.0f} MB", values])
    if plan.jobs:
        print(table(rows))
        left = [j for j, r in zip(plan.jobs, rows[1:], strict=True) if r[1] != "done"]
        minutes, workers = sum(j.minutes for j in left), min(plan.workers, max(1, len(left)))
        longest = max((j.minutes for j in left), default=0.0)
        print(
            f"\n{len(plan.jobs)} jobs, {len(left)} to run: about "
            f"{duration(60 * max(minutes / workers, longest))} with {workers} at a time, "
            f"{sum(j.disk_mb for j in left):.0f} MB"
        )
    if any(job.processes for job in plan.jobs):
        for job in (j for j in plan.jobs if j.processes):
            print(f"\n{job.id}: {cost.of_job(job)}")
    if plan.notes:
        print(f"\n{plan.notes.strip()}")
    return print_problems(plan)


def run_profile(args: argparse.Namespace) -> int:
    if args.resume and args.fresh:
        print("error: --resume keeps results and --fresh deletes them; give one of the two", file=sys.stderr)
        return 2
    for name in ("jobs", "threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            print(f"error: --{name} {getattr(args, name)} must be at least 1", file=sys.stderr)
            return 2
    if args.slurm and args.executor != "slurm":
        print("error: --slurm is of no use without --executor slurm", file=sys.stderr)
        return 2
    if args.known is not None and not args.known.is_dir():
        print(f"error: --known {args.known}: there is no such folder", file=sys.stderr)
        return 2
    plan = planned(args)
    if plan.problems or args.dry_run:
        return print_problems(plan) or list_jobs(args)
    result = folder(args, plan)
    slots = args.jobs or min(plan.workers, cores())
    try:
        if args.executor == "local":
            executor = executors.Local(slots)
        else:
            executor = slurm.Slurm(result, args.jobs or max(1, len(plan.jobs)), options=slurm_options(args.slurm))
        summary = runner.run(
            plan,
            result,
            executor=executor,
            resume=args.resume,
            fresh=args.fresh,
            threads=args.threads,
            quiet=args.quiet,
            known=args.known,
        )
    except (Refused, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}; everything was ended, and --resume goes on from here", file=sys.stderr)
        return 1
    counts = [
        f"{len(summary.done)} done",
        f"{len(summary.skipped)} done before" if summary.skipped else "",
        f"{len(summary.failed)} FAILED" if summary.failed else "",
        f"{len(summary.waiting)} not reached" if summary.waiting else "",
    ]
    print(f"{plan.profile}: {', '.join(c for c in counts if c)} in {duration(summary.wall_s)}")
    print(f"report: {report.write(result)}")
    for job, failure in summary.failed.items():
        print(
            f"  failed: {job}: "
            f"{runner.where(failure)}{failure['message'].splitlines()[0] if failure['message'] else ''}"
        )
    return summary.exit_code


def slurm_options(texts: list[str]) -> dict:
    """'KEY=VALUE' texts as submitit's options. Raises ValueError for one that cannot be read."""
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"--slurm {text!r} must read KEY=VALUE")
        if name in options:
            raise ValueError(f"--slurm {name} is given twice")
        try:
            options[name] = read_yaml(value)
        except yaml.YAMLError:
            raise ValueError(f"--slurm {text!r}: the value cannot be read") from None
    return options


def keep_records(args: argparse.Namespace) -> int:
    if not (args.out / records.FILE).is_file() and not (args.out / "runs").is_dir():
        print(f"error: {args.out} holds no {records.FILE} and no runs", file=sys.stderr)
        return 2
    try:
        runs, evaluations = known.keep(args.out, args.into)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{args.into}: {runs} new records, {evaluations} new evaluations")
    return 0


def build_report(args: argparse.Namespace) -> int:
    result = args.out or OUTPUTS / args.profile
    if not (result / records.FILE).is_file():
        print(
            f"error: {result} holds no {records.FILE}; run something first, or name the folder with --out",
            file=sys.stderr,
        )
        return 2
    path = report.write(result, args.beside)
    for problem in records.load(result).problems:
        print(f"warning: {problem}", file=sys.stderr)
    print(path)
    return 0


def compare_sets(args: argparse.Namespace) -> int:
    try:
        found = compare.compare(args.a, args.b)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(compare.describe(found, args.a, args.b))
    return int(
        args.strict and bool(found.only_a or found.only_b or any(c.word == compare.CHANGED for c in found.cells))
    )


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    with forgiving():
        if reason := unsupported():
            print(f"error: {reason}", file=sys.stderr)
            return 2
        try:
            return carry_out(parser().parse_args(argv))
        except KeyboardInterrupt:
            print("error: interrupted", file=sys.stderr)
            return 130


def carry_out(args: argparse.Namespace) -> int:
    """What the arguments ask for; the exit code."""
    if args.command == "list":
        if args.profile:
            return list_jobs(args)
        return list_parameters(args) if args.only else list_profiles(args)
    commands = {
        "run": run_profile,
        "report": build_report,
        "keep": keep_records,
        "compare": compare_sets,
        "tune": tune.main,
    }
    return commands[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
