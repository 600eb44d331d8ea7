"""One chosen experiment in the words and formats of other tools: Chaos Toolkit, AWS FIS, Chaos Mesh."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..analysis.backlog import Backlog
from ..analysis.candidates import EDGE
from ..analysis.faults import Fault

VARIABLE = re.compile(r"\$\{([a-z_]+)\}")


class About:
    """One chosen experiment with what its files say."""

    def __init__(
        self,
        row: Any,
        fault: Fault,
        limits: pd.DataFrame | None,
        callers: Sequence[str],
        backlog: Backlog | None,
    ) -> None:
        self.row, self.fault, self.callers, self.backlog = row, fault, list(callers), backlog
        self.target = str(row.service)
        self.edge = row.kind == EDGE
        self.limits = limits if limits is not None else pd.DataFrame(columns=["probe"])
        self.key = _slug(
            f"{self.target}-{row.follower}-depends" if self.edge else f"{self.target}-{fault.key}"
        )
        self.symptom = fault.says(fault.symptom, self.target)
        self.prediction = fault.says(fault.prediction, self.target)
        if self.edge:
            self.prediction = (
                f"{row.follower} keeps working while {self.target} is slow: no dependency is declared"
            )

    @property
    def hypothesis(self) -> str:
        if not len(self.limits):
            return (
                f"{self.target} stays within what is usual at that hour; its series were too short for limits"
            )
        said = []
        for probe in self.limits.itertuples():
            bound = f"at most {probe.high:g}" if pd.notna(probe.high) else f"at least {probe.low:g}"
            said.append(f"{probe.probe} {bound} {probe.unit if pd.notna(probe.unit) else ''}".rstrip())
        return "While the fault lasts: " + ", ".join(said)


def watched(row: Any) -> str:
    """Whose steady state an experiment is about: the target's, or of a dependency to be found out the follower's."""
    return str(row.follower if row.kind == EDGE else row.service)


def chaostoolkit(about: About, minutes: float) -> dict[str, Any]:
    """A Chaos Toolkit experiment (its format 1.0): probes call `resilience probe`, which exits 0 inside the limits,

    1 outside them and 2 where there is no data, so that missing data never counts as steady.
    """
    probes = [_probe(row, minutes) for row in about.limits.itertuples()]
    inject = steps(about, about.fault.method, about.fault.title)
    undo = steps(
        about, about.fault.rollback or usual_rollback(about), "Roll back: " + about.fault.title.lower()
    )
    wait = {"after": int(minutes * 60)}
    inject[-1] = {**inject[-1], "pauses": wait}
    observed = [{**probe, "name": f"{probe['name']}, at the end of the box"} for probe in probes]
    used = sorted(set(VARIABLE.findall(json.dumps([inject, undo]))))
    return {
        "version": "1.0.0",
        "title": f"{about.fault.title}: {about.target}",
        "description": f"{about.prediction}. {about.row.reason}",
        "tags": ["resilience", str(about.row.failure_class), str(about.row.environment)],
        "contributions": {"reliability": "high", "availability": "high"},
        "configuration": {
            name: {"type": "env", "key": name.upper(), "default": f"set-{name.replace('_', '-')}"} for name in used
        },
        "steady-state-hypothesis": {"title": about.hypothesis, "probes": probes},
        "method": [*inject, *observed],
        "rollbacks": undo,
        "extensions": [
            {
                "name": "resilience",
                "experiment_key": about.key,
                "abort": aborts(about),
                "files": [
                    *(["chaos-mesh.yml"] if "manifest" in about.fault.method else []),
                    *(["fis-template.json"] if about.fault.fis else []),
                ],
            }
        ],
    }  # fmt: skip


def _probe(row: Any, minutes: float) -> dict[str, Any]:
    arguments = [
        "resilience",
        "probe",
        str(row.metric),
        str(row.scope),
        "--statistic",
        str(row.statistic),
        "--minutes",
        f"{min(minutes, 20):g}",
    ]
    for name in ("low", "high"):
        if pd.notna(getattr(row, name)):
            arguments += [f"--{name}", f"{getattr(row, name):g}"]
    if str(row.unit).endswith("/min"):
        arguments += ["--per-minute"]
    return {
        "type": "probe",
        "name": str(row.probe),
        "tolerance": 0,
        "provider": {"type": "process", "path": "env", "arguments": arguments, "timeout": 60},
    }


def steps(about: About, how: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Actions of a method or rollback as programs to run, by `env`: found on the day, not on the machine that plans."""
    if "by hand" in how:
        path, arguments = "resilience", ["confirm", about.fault.says(str(how["by hand"]), about.target)]
    elif "manifest" in how:
        path, arguments = "kubectl", ["apply", "-f", "chaos-mesh.yml"]
    elif "delete" in how:
        path, arguments = "kubectl", ["delete", "--ignore-not-found", "-f", "chaos-mesh.yml"]
    else:
        path = str(how["command"])
        arguments = shlex.split(about.fault.says(str(how["arguments"]), shlex.quote(about.target)))
    timeout = 3600 if path == "resilience" else 300
    return [
        {
            "type": "action",
            "name": name,
            "provider": {
                "type": "process",
                "path": "env",
                "arguments": [path, *arguments],
                "timeout": timeout,
            },
        }
    ]


def usual_rollback(about: About) -> dict[str, Any]:
    """How a fault ends that states no rollback of its own."""
    return (
        {"delete": True}
        if "manifest" in about.fault.method
        else {"by hand": f"Undo what was done to {about.target}"}
    )


def chaosmesh(about: About, minutes: float) -> dict[str, Any] | None:
    """A Chaos Mesh object of the fault, where it is made by one; the selector is by the label `app`."""
    method = about.fault.method
    if "manifest" not in method:
        return None
    how = {"mode": "all", **method.get("mode", {})}
    spec = {
        **how,
        "selector": {"labelSelectors": {"app": about.target}},
        "duration": f"{int(minutes)}m",
        **method["spec"],
    }
    if method["manifest"] == "PodChaos":
        spec.pop("duration")  # a pod that was killed stays so; the object has no use for a length
    return {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": method["manifest"],
        "metadata": {"name": about.key[:60], "labels": {"made-by": "resilience"}},
        "spec": spec,
    }


_RESOURCES = {
    "pods": ("Pods", "aws:eks:pod"), "instances": ("Instances", "aws:ec2:instance"),
    "clusters": ("Clusters", "aws:rds:cluster"),
}  # fmt: skip


def fis(about: About, minutes: float) -> dict[str, Any] | None:
    """Input of AWS FIS' CreateExperimentTemplate, where the fault has an action there; ids in angle
    brackets are the team's."""
    how = about.fault.fis
    if not how:
        return None
    name, resource = _RESOURCES[how["target"]]
    parameters = {
        key: VARIABLE.sub(lambda m: f"<{m[1]}>", str(value)) for key, value in how["parameters"].items()
    }
    if (
        resource == "aws:eks:pod"
        and how["actionId" if "actionId" in how else "action"] != "aws:eks:pod-delete"
    ):
        parameters["duration"] = f"PT{int(minutes)}M"
    target: dict[str, Any] = {"resourceType": resource, "selectionMode": how.get("selection", "ALL")}
    if resource == "aws:eks:pod":
        target["parameters"] = {
            "clusterIdentifier": "<cluster>", "namespace": "<namespace>", "selectorType": "labelSelector",
            "selectorValue": f"app={about.target}",
        }  # fmt: skip
    else:
        target["resourceTags"] = {"service": about.target, "may-be-broken": "yes"}
    return {
        "clientToken": about.key[:64],
        "description": f"{about.fault.title}: {about.target}"[:512],
        "targets": {"target": target},
        "actions": {
            "fault": {
                "actionId": how["action"],
                "description": about.prediction[:512],
                "parameters": parameters,
                "targets": {name: "target"},
            }
        },
        "stopConditions": [
            {"source": "aws:cloudwatch:alarm", "value": "<arn of the alarm on " + about.target + ">"}
        ],
        "roleArn": "<arn of the role that FIS assumes>",
        "tags": {"made-by": "resilience", "experiment": about.key},
    }


def aborts(about: About) -> list[str]:
    """When to stop: a probe twice as far from what is usual as its limit is, or anything real."""
    found = []
    for row in about.limits.itertuples():
        limit, where = (row.high, "above") if pd.notna(row.high) else (row.low, "below")
        worst = max(2 * limit - row.usual, 0.0)
        unit = f" {row.unit}" if pd.notna(row.unit) else ""
        found.append(f"{row.probe} is {where} {worst:.4g}{unit} for five minutes")
    return [*found, "a real incident is declared anywhere", "customer service reports orders that fail"]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80].strip("-") or "experiment"


def dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
