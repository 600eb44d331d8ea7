"""papermill's engine here: the stock one, with kernels that start warm where the platform can fork.

`papermill --engine resilience-warm in.ipynb out.ipynb` uses it too, through the entry point `papermill.engine`.
"""

from __future__ import annotations

import tempfile
from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

from . import kernels

NAME = "resilience-warm"


class WarmEngine(NBClientEngine):
    """Runs a notebook in a fresh fork of a process that has the imports done; its sockets are files that go with it.

    The notebook is written when it ends, not twice a cell as papermill does: that costs a report as much as its figures.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        with tempfile.TemporaryDirectory(prefix="resilience-") as sockets:
            ours = {
                "kernel_manager_class": kernels.manager(),
                "config": kernels.private(sockets),
                "shutdown_kernel": "immediate",  # it holds nothing that an orderly end would keep
            }
            write, nb_man.save = nb_man.save, lambda **_: None
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **{**ours, **kwargs})
            finally:
                nb_man.save = write


papermill_engines.register(NAME, WarmEngine)  # also where the package was not installed, only put on the path
