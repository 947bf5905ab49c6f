"""The safe loader of YAML: libyaml's where it is there, which takes a twentieth of the time."""

from __future__ import annotations

from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
