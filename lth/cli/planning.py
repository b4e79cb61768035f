"""Commands for specs that are not submitted: validate, estimate, catalogue."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lth.cli.connection import Json, open_client
from lth.cli.documents import read_document
from lth.cli.screen import put, put_json, put_table, say
from lth.cli.tables import table
from lth.client import requests
from lth.client.models import Memory, Plan
from lth.core.sizes import size_text

_Spec = Annotated[Path, typer.Argument(help="The spec, YAML or JSON; - is standard input.")]
_SECONDS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (validate, estimate, catalogue):
        app.command()(command)


def validate(context: typer.Context, file: _Spec, as_json: Json = False) -> None:
    """Validate a spec on the service. The exit code is 3 if it is wrong."""
    plan = _planned(context, file)
    if as_json:
        said = {"spec_hash": plan.spec_hash, "memory": plan.memory, "remarks": plan.remarks}
        put_json({"valid": True, **said})
    else:
        say(f"valid, runs: {len(plan.runs)}, spec hash: {plan.spec_hash[:12]}")
        if plan.memory:
            say(_memory(plan.memory))
        _say_remarks(plan)


def estimate(context: typer.Context, file: _Spec, as_json: Json = False) -> None:
    """Show the runs of a spec, and an estimate of their time and memory."""
    plan = _planned(context, file)
    if as_json:
        put_json(plan)
        return
    made = table("run", "kind", "needs")
    for run in plan.runs:
        made.add_row(run.key, run.kind, ", ".join(run.needs))
    put_table(made)
    reused = sum(trunk.exists for trunk in plan.trunks)
    put(f"dense trainings: {len(plan.trunks)}, already done: {reused}")
    put(f"{plan.parameters:,} parameters, {plan.prunable:,} of them can be pruned")
    if plan.memory:
        put(_memory(plan.memory))
    put(_duration(plan))
    _say_remarks(plan)


def catalogue(
    context: typer.Context,
    family: Annotated[
        str | None, typer.Argument(help="A family, such as criteria or datasets (default: all)")
    ] = None,
    as_json: Json = False,
) -> None:
    """List all criteria, resets, schedules, networks and data sets."""
    with open_client(context) as client:
        found = client.catalogue()
    if family is not None and family not in found:
        raise typer.BadParameter(f"'{family}' is not a family; the families are {', '.join(found)}")
    wanted = {family: found[family]} if family else found
    if as_json:
        put_json(wanted)
        return
    for name, members in wanted.items():
        made = table(name, "~description")
        for member in members:
            made.add_row(*_described(member))
        put_table(made)
        put("")


def _planned(context: typer.Context, file: Path) -> Plan:
    document = read_document(file)
    with open_client(context) as client:
        return client.send(requests.estimate(document))


def _say_remarks(plan: Plan) -> None:
    for remark in plan.remarks:
        say(remark)


def _described(member: dict[str, Any]) -> tuple[str, str]:
    aliases = f" ({', '.join(member['aliases'])})" if member.get("aliases") else ""
    return f"{member['kind']}{aliases}", str(member.get("summary", ""))


def _memory(memory: Memory) -> str:
    parts = ", ".join(
        f"{name} {size_text(getattr(memory, name))}"
        for name in ("process", "data", "weights", "training", "evaluation")
    )
    return (
        f"a run needs at most {size_text(memory.total)} of memory ({parts}); "
        f"{memory.layer} needs most"
    )


def _duration(plan: Plan) -> str:
    seconds, basis = plan.estimate.device_seconds, plan.estimate.basis.replace("_", " ")
    if seconds is None:
        return f"no estimate of time: {basis}"
    size, unit = next(((s, u) for s, u in _SECONDS if seconds >= 2 * s), (1, "seconds"))
    about = f"about {seconds / size:,.0f} {unit}" if seconds >= 2 else "less than 2 seconds"
    return f"{about} on a device ({basis}, runs measured: {plan.estimate.measured_runs})"
