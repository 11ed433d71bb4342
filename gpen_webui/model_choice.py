"""Which of the listed models suits a purpose, as far as their names tell."""

from __future__ import annotations

from collections.abc import Sequence

from gpen_core.errors import CheckpointError
from gpen_core.models.catalogue import Task
from gpen_core.models.naming import claim_of
from gpen_core.models.task_of import TITLES

_SELFIE_SIZE = 2048


def best_for(task: Task, names: Sequence[str]) -> str:
    """The first model whose name speaks of a task; for restoration also one that speaks of none.

    Args:
        task: what for.
        names: of the listed models, the best first.

    Raises:
        CheckpointError: there is none among them.
    """
    found = _suitable(task, names)
    if not found:
        raise CheckpointError(
            f"none of the installed models is named for {TITLES[task]} ({', '.join(names)}); "
            "choose the model by its name, or install one"
        )
    return found[0]


def offered(task: Task, names: Sequence[str]) -> list[str]:
    """The models among which to choose for a task: those named for it, and for none at all."""
    return [name for name in names if claim_of(name).task in (task, None)]


def selfie_model(names: Sequence[str]) -> str | None:
    """The listed model that GPEN's authors take for selfies, of 2048 pixels; None without one."""
    found = _suitable("restoration", names)
    return next((name for name in found if claim_of(name).size == _SELFIE_SIZE), None)


def _suitable(task: Task, names: Sequence[str]) -> list[str]:
    claims = {task, None} if task == "restoration" else {task}
    return [name for name in names if claim_of(name).task in claims]
