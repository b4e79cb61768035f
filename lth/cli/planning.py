"""Commands for specs that are not submitted: validate, estimate, catalogue."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from lth.cli.connection import Json, open_client
from lth.cli.screen import put, put_json, put_table, say
from lth.cli.tables import table
from lth.client import requests
from lth.client.documents import read_document
from lth.client.errors import NoAddress
from lth.client.models import Estimate, Memory, Plan
from lth.core.sizes import size_text

_Spec = Annotated[Path, typer.Argument(help="The spec, YAML or JSON; - is standard input.")]
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_UNCHECKED = (
    "validated without a service, so these were not checked: the pool, uploaded data sets, the "
    "files of named data sets, quotas, and the limits of a service"
)
_WHY_NOT = {
    "nothing_measured": "no run has finished in this pool lately",
    "nothing_similar": "no run of a similar network has finished in this pool lately",
}
_SECONDS = ((86400, "days"), (3600, "hours"), (60, "minutes"))


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (validate, estimate, catalogue):
        app.command()(command)


def validate(context: typer.Context, file: _Spec, as_json: Json = False) -> None:
    """Validate a spec. The exit code is 3 if it is wrong.

    Without a service, the spec is validated by the library.
    """
    document = read_document(file)
    try:
        plan = _planned(context, document)
    except NoAddress:
        _validate_here(document, as_json=as_json)
        return
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
    plan = _planned(context, read_document(file))
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
    put(_duration(plan.estimate))
    _say_remarks(plan)


def catalogue(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="A family, such as criteria, or a member, such as large_final."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List all criteria, resets, schedules, networks and data sets, or describe one of them.

    Without a service, those of the library are listed.
    """
    found = _catalogue(context)
    members = [
        (family, member)
        for family, members in found.items()
        for member in members
        if name in (member["kind"], *member.get("aliases", ()))
    ]
    if name is None or name in found:
        wanted = found if name is None else {name: found[name]}
        put_json(wanted) if as_json else _list_families(wanted)
    elif members:
        for family, member in members:
            put_json({family: [member]}) if as_json else _describe(family, member)
    else:
        known = [*found, *(one["kind"] for each in found.values() for one in each)]
        close = get_close_matches(name, known, n=1)
        raise typer.BadParameter(
            f"'{name}' is neither a family nor a member; the families are {', '.join(found)}"
            + (f". Did you mean '{close[0]}'?" if close else "")
        )


def _catalogue(context: typer.Context) -> dict[str, list[dict[str, Any]]]:
    try:
        with open_client(context) as client:
            return client.catalogue()
    except NoAddress:
        from lth.cli.without_service import catalogue_of_library

        return catalogue_of_library()


def _list_families(families: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    for family, members in families.items():
        made = table(family, "~description")
        for member in members:
            made.add_row(*_described(member))
        put_table(made)
        put("")


def _validate_here(document: dict[str, Any], *, as_json: bool) -> None:
    """Validate a spec without a service."""
    from lth.cli.without_service import validated

    runs, spec_hash, memory = validated(document)
    if as_json:
        said = {"spec_hash": spec_hash, "memory": memory, "remarks": [_UNCHECKED]}
        put_json({"valid": True, **said})
    else:
        say(f"valid, runs: {runs}, spec hash: {spec_hash[:12]}")
        say(_memory(memory))
        say(_UNCHECKED)


def _planned(context: typer.Context, document: dict[str, Any]) -> Plan:
    with open_client(context) as client:
        return client.send(requests.estimate(document))


def _say_remarks(plan: Plan) -> None:
    for remark in plan.remarks:
        say(remark)


def _describe(family: str, member: dict[str, Any]) -> None:
    """Print a member: its description with formula and source, and its parameters."""
    put(f"{member['kind']}  ({family})")
    put(f"\n{member['description']}\n")
    parameters = member["schema"].get("properties", {})
    required = member["schema"].get("required", ())
    made = table("parameter", "~values", "default", "~meaning")
    for name, schema in parameters.items():
        if name != "kind":
            default = "required" if name in required else json.dumps(schema.get("default"))
            made.add_row(name, _values(schema), default, schema.get("description", ""))
    if made.row_count:
        put_table(made)


def _values(schema: dict[str, Any]) -> str:
    """The type and the bounds of a parameter."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(_values(each) for each in schema["anyOf"])
    bounds = [
        f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if schema.get(key) is not None
    ]
    return " ".join([schema.get("type", "object"), *bounds])


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


def _duration(estimate: Estimate) -> str:
    """The estimate of the time, with its range and its basis, or why there is none."""
    if estimate.device_seconds is None:
        return f"no estimate of the time: {_WHY_NOT.get(estimate.basis, estimate.basis)}"
    devices = _span(estimate.device_seconds, estimate.device_range)
    elapsed = ""
    if estimate.elapsed_seconds is not None:
        span = _span(estimate.elapsed_seconds, estimate.elapsed_range)
        many = "1 worker" if estimate.workers == 1 else f"{estimate.workers} workers"
        elapsed = f"\nabout {span} until the end with {many}, if no other job runs"
    of = {"same_network": "this network"}.get(estimate.basis, "similar networks")
    runs = "1 run" if estimate.measured_runs == 1 else f"{estimate.measured_runs} runs"
    return f"about {devices} on devices, from {runs} of {of}{elapsed}"


def _span(seconds: float, around: tuple[float, float] | None) -> str:
    """A time with its range, such as ``5 minutes (4 to 7)``, in a unit that suits it."""
    size, unit = next(((s, u) for s, u in _SECONDS if seconds >= 2 * s), (1, "seconds"))
    if around is None:
        return f"{seconds / size:,.0f} {unit}"
    least, most = (_digits(each / size) for each in around)
    return f"{_digits(seconds / size)} {unit} ({least} to {most})"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:,.1f}"
