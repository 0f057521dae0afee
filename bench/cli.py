"""`python -m bench`: what to measure, where the figures go, and comparing two runs."""

import resource
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import uvloop

from bench import corpus, report, sections
from bench.client import Trouble
from bench.figures import BenchRun, FigureRow, compare, median_rows
from bench.plan import QUICK, BenchPlan
from bench.process import Subject


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    chosen = tuple(value.split(",")) if value else sections.NAMES
    for name in chosen:
        if name not in sections.NAMES:
            raise click.BadParameter(f"{name!r} is none of {', '.join(sections.NAMES)}")
    return chosen


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--url", help="Measure the relay at this ws:// or wss:// URL instead of starting one.")
@click.option("--pid", type=int, help="Process of the relay at --url, to read its CPU and memory.")
@click.option(
    "--beside",
    nargs=2,
    type=(str, int),
    metavar="URL PID",
    help='Run the section "small" beside the relay at this URL, which has this process, instead of beside the sketch.',
)
@click.option(
    "--only", callback=_names, metavar="NAMES", help=f"Sections, comma-separated: {', '.join(sections.NAMES)}."
)
@click.option("--events", type=click.IntRange(1000), help="Events of the ingest section.")
@click.option("--moved", type=click.IntRange(corpus.CHUNK), help="Events that peers bring and are sent.")
@click.option("--stored", type=click.IntRange(corpus.CHUNK), help="Events that imports and queries run over.")
@click.option("--posts", type=click.IntRange(corpus.CHUNK), help="Posts of the feed section.")
@click.option("--votes", type=click.IntRange(corpus.CHUNK), help="Votes that one of those posts has.")
@click.option("--groups", type=click.IntRange(200), help="Groups of the section groups, half of them private.")
@click.option("--messages", type=click.IntRange(corpus.CHUNK), help="Messages in those; 100 in each are needed.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Directory to seed and keep, or use again; those of the feed and of groups are beside it.",
)
@click.option(
    "--seed",
    type=click.IntRange(1, 999_999),
    default=1,
    help="Which events; a relay that keeps its data needs new ones.",
)
@click.option("--quick", is_flag=True, help="A smoke run of about a minute; its figures are rough.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="Repetitions; the table shows each figure's median.")
@click.option(
    "--save", type=click.Path(path_type=Path), help="JSON file for the figures; default: by time, in bench/results."
)
@click.option(
    "--compare", "compared", nargs=2, type=click.Path(path_type=Path), help="Measure nothing; divide run B by run A."
)
def main(
    *,
    url: str | None,
    pid: int | None,
    beside: tuple[str, int] | None,
    only: tuple[str, ...],
    events: int | None,
    moved: int | None,
    stored: int | None,
    posts: int | None,
    votes: int | None,
    groups: int | None,
    messages: int | None,
    data: Path | None,
    seed: int,
    quick: bool,
    repeat: int,
    save: Path | None,
    compared: tuple[Path, Path] | None,
) -> None:
    """Measure a Nostr relay. docs/benchmarks.md says what each row is and how to read it."""
    if compared is not None:
        _compare(*compared)
        return
    if (pid is not None and url is None) or (url is not None and data is not None):
        raise click.UsageError("--pid belongs to --url, and --data to a relay that is started here")
    given = {
        "seed": seed,
        "events": events,
        "moved": moved,
        "stored": stored or events,
        "feed_posts": posts,
        "feed_votes": votes,
        "groups": groups,
        "group_messages": messages,
    }
    plan = msgspec.structs.replace(QUICK if quick else BenchPlan(), **{k: v for k, v in given.items() if v is not None})
    _allow_many_files()
    started = datetime.now(UTC)
    other = None if beside is None else Subject(*beside)
    subject = None if url is None else Subject(url, pid)
    try:
        repetitions = [_measure(plan, number, subject, only, data=data, other=other) for number in range(repeat)]
    except (Trouble, OSError) as error:
        raise click.ClickException(str(error)) from None
    run = BenchRun(
        started.isoformat(timespec="seconds"),
        url or "tidings",
        msgspec.structs.asdict(plan),
        median_rows(repetitions),
        repetitions,
    )
    path = save or report.RESULTS / f"{started:%Y%m%d-%H%M%S}.json"
    report.save(run, path)
    _show(run)
    click.echo(f"\nsaved as {path}")


def _measure(
    plan: BenchPlan,
    number: int,
    subject: Subject | None,
    only: tuple[str, ...],
    *,
    data: Path | None,
    other: Subject | None,
) -> list[FigureRow]:
    def say(section: str) -> None:
        click.echo(f"[{number + 1}] {section} …", err=True)

    say("events")
    if subject is None:
        corpus.files(plan.seed, max(plan.events, plan.stored, plan.moved if "federation" in only else 0))
        return uvloop.run(sections.own(plan, only, data, say, other))
    fresh = msgspec.structs.replace(plan, seed=plan.seed + number)  # a relay that stays up has the others already
    return uvloop.run(sections.foreign(subject, fresh, only, say))


def _show(run: BenchRun) -> None:
    floors = [row.floor_us for row in run.rows if row.floor_us]
    click.echo(f"{run.subject}, {run.started}, median of {len(run.repetitions)}")
    click.echo(
        f"V = {min(floors):.1f}–{max(floors):.1f} µs (one signature check on one core, measured around each section)\n"
    )
    click.echo(report.table(run.rows))


def _compare(first: Path, second: Path) -> None:
    try:
        before, after = report.load(first), report.load(second)
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(str(error)) from None
    changed = [name for name, value in before.settings.items() if after.settings.get(name) != value]
    if changed:
        click.echo(f"the runs differ in {', '.join(changed)}", err=True)
    click.echo(f"{second} divided by {first}\n")
    click.echo(report.ratios(compare(before.rows, after.rows)))


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
