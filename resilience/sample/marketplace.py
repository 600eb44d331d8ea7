"""The services of the marketplace, who calls whom, and how much it hurts when one is gone."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np

# Smaller services, made of a domain and a part where more are wanted than services.csv holds.
_PARTS = ("api", "worker", "store", "sync", "admin", "reports")
_DOMAINS = (
    "wishlist", "gift-cards", "sponsored-ads", "loyalty", "size-advisor", "newsletter", "marketplace-tax",
    "bundle-offers", "stock-alerts", "seller-ratings", "seller-ads", "b2b-orders", "price-watch", "store-finder",
    "subscriptions", "trade-in", "warranty", "refunds", "packaging",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """A service: `rps` mean requests per second at the start, `p95_s` its usual p95, `growth` a share per year."""

    name: str
    team: str
    tier: int  # 1: sales stop without it
    kind: str  # page: follows shoppers; office: follows sellers and staff; machine: follows batches
    rps: float
    p95_s: float
    growth: float
    calls: tuple[str, ...]


def services(rng: np.random.Generator, count: int) -> tuple[Service, ...]:
    """The services of services.csv, then made-up smaller ones around them, `count` (at most 150) in all."""
    text = resources.files(__package__).joinpath("services.csv").read_text(encoding="utf-8")
    core = [
        Service(
            row["name"], row["team"], int(row["tier"]), row["kind"], float(row["requests_per_s"]),
            float(row["p95_ms"]) / 1000, float(row["growth_pct_per_year"]) / 100, tuple(row["calls"].split()),
        )
        for row in csv.DictReader(text.splitlines())
    ]  # fmt: skip
    names = [f"{domain}-{part}" for part in _PARTS for domain in _DOMAINS][: max(0, count - len(core))]
    owners = {domain: core[int(rng.integers(len(core)))] for domain in _DOMAINS}
    smaller = [_smaller(rng, name, core, owners[name.rpartition("-")[0]]) for name in names]
    called = _called_by_pages(rng, core, [s for s in smaller if s.name.endswith("-api")])
    return tuple([*called, *smaller][:count])


def _smaller(rng: np.random.Generator, name: str, core: list[Service], owner: Service) -> Service:
    """A part of a domain: it calls its domain's api, which comes first, and up to three of the larger services."""
    domain, _, part = name.rpartition("-")
    calls = [str(c) for c in rng.choice([s.name for s in core], size=int(rng.integers(1, 4)), replace=False)]
    if part != "api":
        calls = [f"{domain}-api", *calls[:2]]
    return Service(
        name,
        owner.team,
        int(rng.integers(2, 4)),
        "machine" if part in ("worker", "sync") else "office" if part in ("admin", "reports") else owner.kind,
        round(float(rng.lognormal(2.2, 0.9)) + 1, 1),
        round(float(rng.lognormal(-2.0, 0.6)), 3),
        round(float(np.clip(rng.normal(0.2, 0.12), -0.1, 0.6)), 2),
        tuple(calls),
    )


def _called_by_pages(rng: np.random.Generator, core: list[Service], apis: list[Service]) -> list[Service]:
    """`core`, where most of `apis` are also called by a page that they do not lead to: no call goes in circles."""
    calls = {s.name: list(s.calls) for s in [*core, *apis]}
    for api in apis:
        below, todo = set(), [*api.calls]
        while todo:
            name = todo.pop()
            if name not in below:
                below.add(name)
                todo += calls[name]
        pages = [s.name for s in core if s.kind == "page" and s.name not in below and s.name != "api-gateway"]
        if pages and rng.random() < 0.7:
            calls[pages[int(rng.integers(len(pages)))]].append(api.name)
    return [replace(s, calls=tuple(calls[s.name])) for s in core]


def callers(known: Iterable[Service]) -> dict[str, tuple[str, ...]]:
    """Service -> who calls it directly."""
    known = tuple(known)
    return {s.name: tuple(c.name for c in known if s.name in c.calls) for s in known}
