"""What a record says, as tables: one for each part, and one for two records side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .cases import PARTS, STAGES, Case, NetworkCase, PasteCase, PipelineCase
from .records import Record, Row
from .stats import FIGURES, Change, Difference, Stats, figures, ratios
from .table import Table

_NOT_MEASURED = "not measured"

_SAME_MEAN = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 1e-1}
"""By how much the means of outputs of about 1 may differ between methods that do the same."""

_BUSY = 1.2
"""Times the processor time from which a run has waited for other programs."""

Column = tuple[str, Callable[[Row], str]]


def tables(record: Record) -> tuple[Table, ...]:
    """A table for each part of the record that has rows."""
    makers = {"network": _network, "pipeline": _pipeline, "paste": _paste}
    rows = {part: [row for row in record.rows if row.case.part == part] for part in PARTS}
    return tuple(makers[part](rows[part]) for part in PARTS if rows[part])


def difference_table(difference: Difference) -> Table:
    """What has changed, figure by figure."""
    lines = [_change(change) for change in difference.changes]
    notes = [f"only in the old file: {_named(row)}" for row in difference.gone]
    notes += [f"only in the new file: {_named(row)}" for row in difference.fresh]
    header = ("case", "method", "figure", "old", "new", "new / old", "change")
    return Table("new against old; below 1 is better", header, tuple(lines), tuple(notes))


def _change(change: Change) -> tuple[str, ...]:
    cell = seconds if change.figure == "seconds" else mebibytes
    return (
        describe(change.case),
        change.method,
        FIGURES[change.figure],
        cell(change.old),
        cell(change.new),
        f"{change.ratio:.2f}",
        change.verdict,
    )


def _named(row: Row) -> str:
    return f"{describe(row.case)}, {row.method}"


def describe(case: Case) -> str:
    """A case in one line."""
    match case:
        case NetworkCase():
            many = "" if case.batch == 1 else f", {case.batch} at once"
            where = f"{case.device} {case.precision}, {case.allocator} allocator"
            return f"network {case.size} {where}{many}"
        case PipelineCase():
            what = "picture" if case.frames == 1 else f"{case.frames} frames"
            place = f"model {case.size} {case.device} {case.precision}"
            return f"{what} {case.width}×{case.height}, faces {case.faces}, {place}"
        case PasteCase():
            return f"paste {case.width}×{case.height}, faces {case.faces}, crops of {case.size}"


def seconds(value: Stats | None) -> str:
    """A time, short ones in milliseconds."""
    if value is None:
        return _NOT_MEASURED
    return f"{value.median:.2f} s" if value.median >= 1 else f"{value.median * 1000:.1f} ms"


def mebibytes(value: Stats | None) -> str:
    """An amount of memory."""
    return _NOT_MEASURED if value is None else f"{value.median:.0f} MiB"


def factor(value: Stats | None) -> str:
    """A ratio with its spread over the rounds."""
    if value is None:
        return _NOT_MEASURED
    if value.rounds == 1:
        return f"{_ratio(value.median)}x"
    return f"{_ratio(value.median)}x ({_ratio(value.low)}–{_ratio(value.high)})"


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def busy(rows: Sequence[Row]) -> list[str]:
    """A note if runs on the CPU took longer than the processor worked for them."""
    for row in rows:
        wall, worked = figures(row, "seconds"), figures(row, "processor_seconds")
        if wall is None or worked is None or _of(row, "device") != "cpu":
            continue
        if wall.median > _BUSY * worked.median:
            return [
                "The machine was busy with other work: times and ratios mean little. "
                "Measure again when it is quiet."
            ]
    return []


def _network(rows: Sequence[Row]) -> Table:
    columns: list[Column] = [
        ("size", lambda row: str(_of(row, "size"))),
        ("device", lambda row: str(_of(row, "device"))),
        ("precision", lambda row: str(_of(row, "precision"))),
        ("allocator", lambda row: str(_of(row, "allocator"))),
        ("crops at once", lambda row: str(_of(row, "batch"))),
        ("method", lambda row: row.method),
        ("time", _time("seconds")),
        ("processor time", _time("processor_seconds")),
        ("memory added", lambda row: _cell(row, "memory_mib", mebibytes)),
        ("memory in all", lambda row: _cell(row, "memory_in_all_mib", mebibytes)),
        *_efficiency(rows),
        *_against(rows),
    ]
    return _table("network, time of one crop", columns, rows, [*busy(rows), *_differing(rows)])


def _pipeline(rows: Sequence[Row]) -> Table:
    columns: list[Column] = [
        ("picture", lambda row: f"{_of(row, 'width')}×{_of(row, 'height')}"),
        ("faces", lambda row: str(_of(row, "faces"))),
        ("frames", lambda row: str(_of(row, "frames"))),
        ("model", lambda row: str(_of(row, "size"))),
        ("device", lambda row: str(_of(row, "device"))),
        ("precision", lambda row: str(_of(row, "precision"))),
        ("per picture", _time("seconds")),
        *((stage, _time(f"{stage}_seconds")) for stage in STAGES),
        ("around / network", _around),
        ("pictures/s", _rate),
        ("memory added", lambda row: _cell(row, "memory_mib", mebibytes)),
    ]
    return _table("whole pipeline", columns, rows)


def _paste(rows: Sequence[Row]) -> Table:
    columns: list[Column] = [
        ("picture", lambda row: f"{_of(row, 'width')}×{_of(row, 'height')}"),
        ("faces", lambda row: str(_of(row, "faces"))),
        ("crops", lambda row: str(_of(row, "size"))),
        ("method", lambda row: row.method),
        ("per face", _time("seconds")),
        *_against(rows),
    ]
    return _table("pasting back", columns, rows)


def _table(
    title: str, columns: Sequence[Column], rows: Sequence[Row], notes: Sequence[str] = ()
) -> Table:
    lines = tuple(tuple(cell(row) for _, cell in columns) for row in rows)
    failures = [f"{_named(row)} failed: {row.failure}" for row in rows if row.failure]
    return Table(title, tuple(name for name, _ in columns), lines, (*failures, *notes))


def _of(row: Row, name: str) -> Any:  # noqa: ANN401 - whatever the field holds
    return getattr(row.case, name)


def _cell(row: Row, name: str, show: Callable[[Stats | None], str]) -> str:
    return "failed" if row.failure else show(figures(row, name))


def _time(name: str) -> Callable[[Row], str]:
    return lambda row: _cell(row, name, seconds)


def _around(row: Row) -> str:
    """The time of everything but the network, in parts of the network's."""
    whole, network = figures(row, "seconds"), figures(row, "restore_seconds")
    if whole is None or network is None or network.median <= 0:
        return _NOT_MEASURED
    return f"{(whole.median - network.median) / network.median:.1%}"


def _rate(row: Row) -> str:
    whole = figures(row, "seconds")
    return _NOT_MEASURED if whole is None else f"{1 / whole.median:.2f}"


def _efficiency(rows: Sequence[Row]) -> list[Column]:
    """The column of a figure that older files lack."""

    def share(stats: Stats | None) -> str:
        return _NOT_MEASURED if stats is None else f"{stats.median:.0%}"

    if not any(figures(row, "efficiency") for row in rows):
        return []
    return [("of the best convolution", lambda row: _cell(row, "efficiency", share))]


def _against(rows: Sequence[Row]) -> list[Column]:
    """For each baseline a column that says how many times as fast each method is."""
    names = dict.fromkeys(name for row in rows for name in row.baselines)

    def column(name: str) -> Column:
        def cell(row: Row) -> str:
            baseline = _baseline(rows, row, name)
            if baseline is None or row.method == name:
                return "–"
            return factor(ratios(baseline, row, "seconds"))

        return f"against {name}", cell

    return [column(name) for name in names]


def _baseline(rows: Sequence[Row], row: Row, name: str) -> Row | None:
    """The row of a method on the same case."""
    same = (other for other in rows if other.case == row.case and other.method == name)
    return next(same, None)


def _differing(rows: Sequence[Row]) -> list[str]:
    """Notes about methods whose outputs are not those of their baseline."""
    notes: list[str] = []
    for row in rows:
        for name in row.baselines:
            baseline = _baseline(rows, row, name)
            mean = figures(row, "mean")
            expected = None if baseline is None else figures(baseline, "mean")
            if mean is None or expected is None:
                continue
            if not abs(mean.median - expected.median) <= _SAME_MEAN[_of(row, "precision")]:
                notes.append(f"{_named(row)}: THE RESULT IS NOT THAT OF {name}")
    return notes
