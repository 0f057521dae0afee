"""Import and export through the command line, into and out of a data directory that nobody serves.

The imported directory is what queries run over.
"""

from pathlib import Path

from bench import corpus, seeded
from bench.client import Trouble
from bench.figures import FigureRow
from bench.plan import BenchPlan
from bench.process import Spent, command, run


def seed(data: Path, plan: BenchPlan) -> FigureRow | None:
    """Import `plan.stored` events (whole chunks); row "import", None when the directory holds them already.

    Raises Trouble when it holds anything else.
    """
    paths = corpus.files(plan.seed, plan.stored)
    wanted = seeded.Holding(plan.seed, stored=len(paths) * corpus.CHUNK)
    if seeded.is_filled(data, wanted):
        return None
    output = data.with_name(f"{data.name}.import")
    spent = run(command("import", "--restart", "--data", str(data), *map(str, paths)), output)
    seeded.note(data, wanted)
    return _row("import", wanted.stored, spent)


async def rows(data: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "import" (unless the directory is seeded already) and "export"."""
    return [row for row in (seed(data, plan), _export(data, plan)) if row is not None]


def _export(data: Path, plan: BenchPlan) -> FigureRow:
    """Row "export": the whole directory as JSONL. Raises Trouble when an event is missing."""
    target = data.with_name(f"{data.name}.jsonl")
    spent = run(command("export", "--data", str(data), str(target)), data.with_name(f"{data.name}.export"))
    with target.open("rb") as lines:
        exported = sum(1 for _ in lines)
    target.unlink()
    if exported < plan.stored:
        raise Trouble(f"export wrote {exported} events of {plan.stored}")
    return _row("export", exported, spent)


def _row(name: str, events: int, spent: Spent) -> FigureRow:
    return FigureRow(name=name, unit="event", units=events, seconds=spent.seconds, cpu_us=spent.cpu_us(events))
