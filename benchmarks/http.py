"""Sub-agents a second over HTTP, beside a plain loop over the SDK: `python benchmarks/http.py --json`.

This folder's scripts find this file where they mean Python's own `http`: imported, it hands over to that.
"""

import importlib.util
import sys
import sysconfig

if __name__ == "__main__":
    import http_batch

    http_batch.main()
else:
    folder = f"{sysconfig.get_path('stdlib')}/http"
    spec = importlib.util.spec_from_file_location("http", f"{folder}/__init__.py", submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["http"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["http"])
