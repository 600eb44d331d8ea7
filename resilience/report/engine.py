"""papermill's engine here: the stock one, with kernels that start warm where the platform can fork.

`papermill --engine resilience-warm in.ipynb out.ipynb` uses it too, through the entry point `papermill.engine`.
"""

from __future__ import annotations

import tempfile
from typing import Any

from . import kernels

NAME = "resilience-warm"


class WarmEngine:
    """Runs a notebook in a fresh fork of a process that has the imports done; its sockets are files that go with it.

    An engine by what it does and not by its base class: papermill asks for its engines while it is being imported, so
    this module must be whole without papermill, whichever of the two is imported first.
    """

    @staticmethod
    def execute_notebook(nb: Any, kernel_name: str, output_path: str | None = None, **kwargs: Any) -> Any:
        """As `papermill.engines.Engine`, but `output_path` is written when the notebook ends and not twice a cell.

        That costs a report as much as its figures. Where a kernel dies or a cell is stopped, what ran is in it.
        """
        from papermill.engines import NBClientEngine
        from papermill.iorw import write_ipynb

        with tempfile.TemporaryDirectory(prefix="resilience-") as sockets:
            ours = {
                "kernel_manager_class": kernels.manager(),
                "config": kernels.private(sockets),
                "shutdown_kernel": "immediate",  # it holds nothing that an orderly end would keep
            }
            try:
                return NBClientEngine.execute_notebook(nb, kernel_name, **{**ours, **kwargs})
            except BaseException:  # papermill itself writes only what came to an end
                if output_path is not None:
                    write_ipynb(nb, output_path)
                raise

    @staticmethod
    def nb_kernel_name(nb: Any, name: str | None = None) -> str:
        """Name of the kernel that `nb` is for, or `name`."""
        from papermill.engines import NBClientEngine

        return str(NBClientEngine.nb_kernel_name(nb, name))

    @staticmethod
    def nb_language(nb: Any, language: str | None = None) -> str:
        """Language that `nb` is written in, or `language`."""
        from papermill.engines import NBClientEngine

        return str(NBClientEngine.nb_language(nb, language))


def register() -> str:
    """Tells papermill of the engine, also where the package was not installed but only put on the path; its name."""
    from papermill.engines import papermill_engines

    papermill_engines.register(NAME, WarmEngine)
    return NAME
