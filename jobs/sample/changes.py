"""What changes are about: commit subjects, and the files of a service in each language."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """The files of a service, the most often changed first; the last one lists its dependencies."""

    name: str
    files: tuple[str, ...]


LANGUAGES = (
    Language("go", ("handler.go", "store.go", "client.go", "main.go", "config.yaml", "handler_test.go", "go.mod")),
    Language("python", ("app.py", "models.py", "client.py", "settings.py", "tests/test_app.py", "requirements.txt")),
    Language("java", ("src/Controller.java", "src/Repository.java", "src/Mapper.java", "application.yml", "pom.xml")),
    Language("typescript", ("src/routes.ts", "src/store.ts", "src/client.ts", "src/index.ts", "package.json")),
)

SUBJECTS = (
    "Add a filter by date",
    "Log the caller's identity",
    "Support a second currency format",
    "Cache lookups for a minute",
    "Return the total with every page",
    "Accept a list of ids",
    "Validate the request's size",
    "Read the timeout from the configuration",
    "Expose a metric for queue length",
    "Drop an unused column",
    "Sort results by relevance",
    "Add an index for the new query",
    "Batch writes to the store",
    "Use the shared logging format",
    "Raise test coverage of the store",
    "Document the public endpoints",
    "Send events after commit",
    "Prefer the regional endpoint",
    "Allow partial updates",
    "Limit the page size",
)
FIXED = (
    "Fix a typo in the error text",
    "Fix rounding of totals",
    "Fix the order of results with equal keys",
    "Handle an empty list",
    "Fix a flaky test",
    "Fix time zone of the report",
)
HOTFIXED = (
    "Hotfix: guard against a missing header",
    "Hotfix: restore the previous timeout",
    "hotfix: do not fail on empty response",
    "Hotfix: disable the new code path",
    "Urgent fix for broken requests",
    "hotfix: correct the last fix",
)
REFACTORED = (
    "Move the store behind an interface",
    "Split the handler into modules",
    "Rename models for clarity",
    "Replace the old client with the generated one",
    "Extract validation into its own file",
    "Switch to the asynchronous client",
    "Unify error handling",
    "Remove the legacy code path",
)
BUMPED = (
    "http-client",
    "json-codec",
    "metrics-lib",
    "orm-core",
    "tls-tools",
    "test-runner",
    "log-format",
    "grpc-stubs",
)
SHARED = (
    "Update the build image",
    "Cache dependencies in the pipeline",
    "Add a linter rule",
    "Tidy the release script",
    "Describe the branch policy",
    "Pin tool versions",
)
EVERYWHERE = (
    "Raise the base image in all services",
    "Apply the new formatting",
    "Add ownership labels to all services",
)
LINES = (
    "timeout = settings.get('{word}', {number})",
    "record.{word} = value[{number}]",
    "if {word} > {number}: return previous",
    "log.info('{word}', attempt={number})",
    "items.append({word}({number}))",
    "assert len({word}) <= {number}",
)
LINE_WORDS = (
    "batch",
    "buffer",
    "cursor",
    "detail",
    "entry",
    "field",
    "group",
    "handle",
    "label",
    "offset",
    "page",
    "total",
)
