"""Fill the generated parts of the README files from records: `python docs/readme.py`, or `--check` to compare only.

README.md             claims: `python -m proofs_checks --markdown`; results: the table of the comparison in
                      reproduce/results/cpu/tables
reproduce/results/cpu/README.md  results: all tables there
benchmarks/README.md  figures: the records under benchmarks/results; peers: benchmarks/results/peers.json
proofs_checks/formal/README.md  theorems: the list in proofs_checks/formal/theorems.py
docs/conformance.md   adapters and verdicts: proofs_checks/conformance and its record
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def between(text: str, mark: str, new: str) -> str:
    """`text` with what stands between <!-- mark:begin --> and <!-- mark:end --> replaced by `new`."""
    begin, end = f"<!-- {mark}:begin -->", f"<!-- {mark}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the text needs exactly one {begin} and one {end}")
    head, rest = text.split(begin)
    return f"{head}{begin}\n{new.strip()}\n{end}{rest.split(end)[1]}"


def claims() -> str:
    """The table of the paper's words."""
    command = [sys.executable, "-m", "proofs_checks", "--markdown"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


CPU = ROOT / "reproduce" / "results" / "cpu"
COMPARISON = "cifar10-compact-2-*.md"
"""The table of all methods on the front page."""


def results(pattern: str, folder: Path = CPU / "tables") -> str:
    """The committed tables whose file name fits `pattern`, one below the other."""
    return "\n\n".join(path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob(pattern)))


def theorems() -> str:
    """The theorems of the formal core."""
    command = [sys.executable, "-c", "from proofs_checks.report import theorems_table; print(theorems_table())"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def scaling_rows(record: dict) -> dict[str, str]:
    """Speed against threads, processes, batch and width, one row an encoder."""
    shown = {
        "second thread, bfloat16": "a second thread {:.2f} x",
        "parity, bfloat16": "two gloo processes of one thread over one process of two {:.2f} x",
        "parity, float32": "the same in float32 {:.2f} x",
        "slope of views/s over batch": "views/s ~ batch^{:.2f}",
        "slope of seconds over D": "seconds ~ D^{:.2f}",
    }
    return {
        f"scaling, {encoder} encoder": "; ".join(words.format(values[name]) for name, words in shown.items())
        for encoder, values in record["found"].items()
    }


def lightly_rows(record: dict) -> dict[str, str]:
    """Speed against lightly's loop, one row an encoder."""
    version, goal = record["lightly"], record["goal"]
    return {
        f"SimCLR against lightly {version}'s loop, {encoder} encoder (goal {goal:g} x)": (
            f"{values['musiclib, bfloat16 over it']:.1f} x; in float32 {values['musiclib, float32 over it']:.1f} x "
            f"({values['lightly at its best']})"
        )
        for encoder, values in record["found"].items()
    }


def figures(folder: Path = ROOT / "benchmarks" / "results") -> str:
    """The benchmarks' records as one Markdown table."""
    names = ("loss", "training", "views", "batches_runs", "batches_kills", "readers")
    read = (json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names)
    loss, training, views, runs, kills, readers = read
    # Benchmarks that need hours or packages of others have rows once they have records.
    extra = {"scaling": scaling_rows, "lightly": lightly_rows}
    kept = {name: folder / f"{name}.json" for name in extra}
    later = [extra[n](json.loads(path.read_text(encoding="utf-8"))) for n, path in kept.items() if path.is_file()]
    seconds, over = loss["timed"]["median_seconds"], loss["timed"]["over_floor"]
    shape = "(N, S, K) = ({}, {}, {})"
    step = views["seconds"]["training step"]["median"]
    share = {who: (t := views["seconds"][f"views, {who}"]["median"]) / (t + step) for who in ("ours", "kornia")}
    ours, rival = training["views_per_second"]["ours"], training["views_per_second"]["per-image"]
    environment = training["provenance"]["environment"]
    peak, below = loss["memory"]["peak_mebibytes"]["default"], loss["memory"]["below_dense"]["default"]
    gflops = training["bfloat16_matmul_flops"] / 1e9
    fuzzed = totals(readers["formats"])
    rows = {
        f"loss, forward and backward, {shape.format(*loss['timed']['shape'])}": (
            f"{1e3 * seconds['default']:.0f} ms, {over['default']:.2f} x its floor "
            f"(direct dense form: {over['direct dense']:.2f} x)"
        ),
        f"peak memory of the loss, {shape.format(*loss['memory']['shape'])}": (
            f"{peak:.0f} MiB, {below:.0f} times below the direct dense form"
        ),
        f"training, compact encoder, CIFAR-10, batch {training['settings']['batch']}": (
            f"{ours:.0f} views/s, {training['ratio']:.1f} times the per-image pipeline ({rival:.0f} views/s)"
        ),
        "the same as a share of the bfloat16 matrix-product rate": (
            f"{100 * training['share_of_ceiling']:.0f} % of {gflops:.0f} GFLOP/s"
        ),
        "two views of a batch as a share of step and views": (
            f"{100 * share['ours']:.1f} % (kornia: {100 * share['kornia']:.0f} %)"
        ),
        **{name: value for make in later for name, value in make.items()},
        f"{runs['runs']} notebooks on {runs['jobs']} workers, {runs['failed']} of them made to fail": (
            f"every verdict {'right' if runs['right'] else 'NOT right'}; {runs['overhead_s_median']:.1f} s a run "
            f"beyond its cells (median)"
        ),
        f"{kills['kills']} kill -9 of " + ", ".join(f"{k} ({n})" for k, n in kills["victims"].items()): (
            f"tables equal those of an undisturbed batch: {'yes' if kills['right'] else 'NO'}; "
            f"{len(kills['wrong'])} files broken or processes left"
        ),
        f"{fuzzed['files']} damaged files of {len(readers['formats'])} formats": (
            f"{fuzzed['read as it was']} read as before, {fuzzed['read as another valid value']} as another valid "
            f"value, {fuzzed['refused in one line']} refused in one line; {fuzzed['faults']} crashes, hangs, "
            "tracebacks, or arrays of a wrong type, shape or range"
        ),
    }
    made = f"{environment['device_name']}, {environment.get('threads')} threads, torch {environment['torch']}"
    return "\n".join(["| | measured |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows.items()), "", f"*{made}*"])


def totals(formats: dict[str, dict]) -> dict[str, int]:
    """Files and outcomes over all formats of the readers' record; what is no planned outcome is a fault."""
    counts = sum((Counter(found["outcomes"]) for found in formats.values()), Counter())
    faults = sum(count for outcome, count in counts.items() if outcome.startswith("FAULT"))
    return counts | Counter(files=counts.total(), faults=faults)


def peers(record: Path = ROOT / "benchmarks" / "results" / "peers.json") -> str:
    """Every loss against its peers as a Markdown table."""
    data = json.loads(record.read_text(encoding="utf-8"))
    rows = ["| Loss | Peer | Value | Gradient | Reason | Value, in its convention | Gradient, in its convention |"]
    rows.append("|---" * 7 + "|")
    for one in data["pairs"]:
        after = [f"{one[name]:.0e}" if one["reason"] else "" for name in ("value_bridged", "gradient_bridged")]
        reason = one["reason"] if one["explained"] else "**unexplained**"
        cells = (one["loss"], f"{one['peer']}, `{one['function']}`", f"{one['value']:.0e}", f"{one['gradient']:.0e}")
        rows.append("| " + " | ".join((*cells, reason, *after)) + " |")
    there = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    left = "".join(f"; {name} skipped: {reason}" for name, reason in data["skipped"].items())
    alone = ", ".join(data["without"])
    return "\n".join(
        [*rows, "", f"*{there}{left}. No peer here: {alone}. torch {data['provenance']['environment']['torch']}*"]
    )


def conformance(text: str) -> str:
    """The page of the conformance kit with its generated parts."""
    command = [sys.executable, "-c", "from proofs_checks.conformance.page import parts; print(parts())"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for mark, part in json.loads(done.stdout).items():
        text = between(text, mark, part)
    return text


def filled() -> dict[Path, str]:
    """The pages as their records would have them."""
    front, tables, bench, formal = (
        folder / "README.md" for folder in (ROOT, CPU, ROOT / "benchmarks", ROOT / "proofs_checks" / "formal")
    )
    kit = ROOT / "docs" / "conformance.md"
    return {
        front: between(between(front.read_text(encoding="utf-8"), "claims", claims()), "results", results(COMPARISON)),
        tables: between(tables.read_text(encoding="utf-8"), "results", results("*.md")),
        bench: between(between(bench.read_text(encoding="utf-8"), "figures", figures()), "peers", peers()),
        formal: between(formal.read_text(encoding="utf-8"), "theorems", theorems()),
        kit: conformance(kit.read_text(encoding="utf-8")),
    }


def main() -> int:
    """Write the pages, or with --check say whether they are as their records would have them."""
    stale = {path: text for path, text in filled().items() if path.read_text(encoding="utf-8") != text}
    if "--check" not in sys.argv[1:]:
        for path, text in stale.items():
            path.write_text(text, encoding="utf-8")
        return 0
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what its records say; run python docs/readme.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
