"""A spec for every member of every family, as a user would write it."""

from typing import Any

from lth.core.family import kind_of, members
from lth.spec.catalogue import FAMILIES

Document = dict[str, Any]

# Required or typical parameters of members; the other members need only their kind.
PARAMETERS: dict[str, dict[str, Document]] = {
    "schedules": {
        "one_shot": {"sparsity": 0.9},
        "geometric": {"fraction": 0.2, "rounds": 7},
        "linear": {"sparsity": 0.75, "rounds": 3},
    },
    "scopes": {"layer": {"convolution": 0.75}, "global": {"output": False}},
    "reinit": {
        "rewind": {"to": "100it"},
        "jitter": {"noise": 0.5, "keep_sign": True},
        "random": {"keep_sign": True},
        "constant": {"value": 0.05},
        "learning_rate": {"to": "1ep"},
    },
    "controls": {
        "random_weights": {"of": "ticket"},
        "shuffled_mask": {"of": "ticket"},
        "random_mask": {"of": "ticket"},
    },
    "datasets": {
        "digits": {"validation": 200},
        "cifar10": {"normalisation": "unit"},
        "uploaded": {
            "id": "ds_" + "0" * 32,
            "digest": "0" * 64,
            "facts": {"shape": [8, 8, 1], "classes": 3, "train": 1_000, "test": 100},
        },
    },
    "networks": {
        "layers": {
            "layers": [
                {"kind": "flatten"},
                {"kind": "linear", "units": 20, "activation": "relu"},
                {"kind": "linear", "units": 10},
            ]
        }
    },
    "layers": {
        "linear": {"units": 20, "activation": "relu"},
        "conv2d": {"filters": 4, "strides": 2, "padding": "valid"},
        "dropout": {"rate": 0.5},
        "activation": {"function": "gelu"},
    },
    "optimizers": {
        "sgd": {"learning_rate": 0.1, "momentum": 0.9},
        "adam": {"learning_rate": 1e-3},
        "adamw": {"learning_rate": 1e-3},
        "rmsprop": {"learning_rate": 1e-3},
    },
    "decays": {"step": {"at": ["10ep", "15ep"]}, "cosine": {"final": 0.01}},
}


def members_of_families() -> list[tuple[str, str]]:
    """All families with all their kinds."""
    return [
        (name, kind_of(member)) for name, family in FAMILIES.items() for member in members(family)
    ]


def document(family: str, kind: str) -> Document:
    """A spec with the member."""
    member = {"kind": kind, **PARAMETERS.get(family, {}).get(kind, {})}
    match family:
        case "criteria":
            return {"kind": "model", "pruning": {"criterion": member}}
        case "schedules":
            return {"kind": "model", "pruning": {"schedule": member}}
        case "scopes":
            return {"kind": "model", "pruning": {"scope": member}}
        case "reinit":
            return {"kind": "model", "reinit": member}
        case "controls":
            control = {"name": "control", "control": member}
            return {"kind": "session", "experiments": [{"name": "ticket"}, control]}
        case "datasets":
            return {"kind": "model", "dataset": member}
        case "networks":
            return {"kind": "model", "network": member}
        case "layers":
            return {"kind": "model", "network": {"kind": "layers", "layers": _around(member)}}
        case "optimizers":
            return {"kind": "model", "training": {"optimizer": member}}
        case "decays":
            return {"kind": "model", "training": {"decay": member}}
    raise AssertionError(f"there is no example spec for the family '{family}'")


def _around(layer: Document) -> list[Document]:
    """A network for the digits that contains the layer."""
    output = {"kind": "linear", "units": 10}
    if layer["kind"] in ("flatten", "global_average_pooling2d"):
        return [layer, output]
    if layer["kind"] == "linear":
        return [{"kind": "flatten"}, layer, output]
    return [layer, {"kind": "flatten"}, output]
