"""The classes of failure that reports are sorted into and that experiments inject. Imports nothing.

Ours, widened after "How to fight production incidents" (SoCC'22) and Gunawi et al. (SoCC'16); taxonomy.yml holds
their definitions and the version.
"""

FAILURE_CLASSES = (
    "software-bug",
    "config",
    "deploy",
    "capacity",
    "third-party",
    "hardware-power",
    "network-dns",
    "datastore",
    "operator",
    "security",
    "time-limits",
    "unknown",
)

# Old name -> name of today, of classes that were renamed since a label could be given; the same as in taxonomy.yml.
RENAMED: dict[str, str] = {}
