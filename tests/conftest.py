"""Shared fixtures: where the public data lies; hypothesis without deadlines, since machines differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from .pages import complaints, page
from .sizes import FULL

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # a worker has one core: more threads of it only wait for each other

__all__ = ["complaints", "page"]  # fixtures that every test module may ask for

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("test", deadline=None, max_examples=50)
settings.register_profile("acceptance", deadline=None, max_examples=500)
settings.load_profile("acceptance" if FULL else "test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no worker ends alone with one."""
    slow = ("test_wheel", "test_demo", "test_render")
    items.sort(key=lambda item: next((i for i, name in enumerate(slow) if name in item.nodeid), len(slow)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public data beside the project; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("public data (../shared/data) is not beside this checkout")
    return folder
