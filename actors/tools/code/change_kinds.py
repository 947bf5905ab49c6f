"""What a file is and what a commit was for, told by general signs: names, words and the files touched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from pathlib import PurePosixPath

from actors.tools.code.commits import Commit


class FileKind(StrEnum):
    """What a change of a file can tell about a service's behaviour."""

    CODE = "code"
    CONFIG = "config"  # settings and manifests: they change behaviour, but are no code
    TEST = "test"
    TOOLING = "tooling"  # pipelines and editor settings: they change how people work, not what runs
    DOCS = "docs"
    GENERATED = "generated"  # lock files, vendored and compiled files, images: nobody wrote them here


class Purpose(StrEnum):
    """What a commit was for. The first that fits, in this order."""

    MERGE = "merge"
    REVERT = "revert"
    RELAND = "reland"  # a change that comes back after its revert
    HOTFIX = "hotfix"
    FIX = "fix"
    CHANGE = "change"


SUBJECT_CHARACTERS_MAX = 300  # what it is for stands at the beginning; some subjects are whole pages


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DOCS_NAMES = _words("license licence changelog changes authors contributors codeowners owners notice readme")
_DOCS_ENDS = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".asciidoc", ".txt", ".md.erb", ".html.erb", ".pdf")
_CODE_NAMES = _words("requirements.txt constraints.txt cmakelists.txt")  # .txt files that build something
_GENERATED_NAMES = _words(
    "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml go.sum go.work.sum gradle.lockfile packages.lock.json"
)
_GENERATED_ENDS = (
    *(".lock", ".min.js", ".min.css", ".map", ".pb.go", "_pb2.py", "_pb2_grpc.py", ".pb.cc", ".pb.h", ".snap"),
    *(".svg", ".png", ".jpg", ".jpeg", ".gif", ".ico", ".webp", ".woff", ".woff2", ".ttf", ".jar", ".zip", ".gz"),
)
_GENERATED_FOLDERS = _words("vendor node_modules third_party dist generated __generated__ __snapshots__")
_CONFIG_ENDS = (
    *(
        ".yml",
        ".yaml",
        ".json",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".properties",
        ".env",
        ".xml",
        ".csv",
        ".editorconfig",
    ),
    *(".gitignore", ".dockerignore", ".gitattributes"),
)
_TOOLING_NAMES = _words(".gitlab-ci.yml .travis.yml jenkinsfile azure-pipelines.yml bitbucket-pipelines.yml mkdocs.yml")
_TOOLING_FOLDERS = _words(".github .gitlab .circleci .buildkite .vscode .idea .husky .devcontainer")
_TEST_FOLDERS = _words("test tests __tests__ spec specs testdata fixtures e2e")
_TOOLING_END = re.compile(r"^\.(?:\w+ignore|editorconfig|gitattributes|pre-commit-config\.yaml|\w*lint\w*(?:\.\w+)?)$")
_TEST_NAME = re.compile(r"^test_|[._-](test|tests|spec)\.[a-z]+$")


@lru_cache(maxsize=65_536)
def file_kind(path: str) -> FileKind:
    """The kind of one path, by its folders, name and ending."""
    pure = PurePosixPath(path.lower())
    folders = set(pure.parts[:-1])
    if pure.name in _GENERATED_NAMES or pure.name.endswith(_GENERATED_ENDS) or folders & _GENERATED_FOLDERS:
        return FileKind.GENERATED
    if pure.name in _CODE_NAMES:
        return FileKind.CODE
    if pure.name in _TOOLING_NAMES or folders & _TOOLING_FOLDERS or _TOOLING_END.search(pure.name):
        return FileKind.TOOLING
    if pure.name.endswith(_DOCS_ENDS) or pure.stem in _DOCS_NAMES:
        return FileKind.DOCS
    if folders & _TEST_FOLDERS or _TEST_NAME.search(pure.name):
        return FileKind.TEST
    if pure.name.endswith(_CONFIG_ENDS):
        return FileKind.DOCS if folders & {"docs", "doc"} else FileKind.CONFIG
    return FileKind.CODE


# Words that may stand before the message proper: "[ABC-1] ", "ABC-1: ", "feat(api)!: ".
_BEFORE = r"^\W*(?:\[[^\]]*\]\s*|[A-Z][A-Z0-9]+-\d+:?\s+|[a-z]+(?:\([^)]*\))?!?:\s*)*"
_REVERT = re.compile(_BEFORE + r"(?:revert(?:s|ed|ing)?|back(?:ed|ing|s)? ?out)\b", re.IGNORECASE)
_REVERT_OF_REVERT = re.compile(_BEFORE + r"(?:revert\W+revert\b|re-?(?:apply|land)\b)", re.IGNORECASE)
_REVERTED_ID = re.compile(r"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE | re.IGNORECASE)
_REVERTED_SUBJECT = re.compile(r'revert\w*\W*?"(.+)"', re.IGNORECASE)
_LISTED = re.compile(r"^\s*[*-] ", re.MULTILINE)  # a squashed branch lists its own commits; they are not this one
_HOTFIX = re.compile(
    r"\bhot-?fix(?:es|ed)?\b(?! (?:process|workflow|branch|doc|script|guide|label|template|support))"
    r"|\bhot fix(?:es)?\b"
    r"|\b(?:emergency|urgent)\b.{0,30}\b(?:fix|patch|change|deploy|release|rollout|rollback|mitigation|bump)\b"
    r"|" + _BEFORE + r"roll(?:ed|ing|s)?[- ]?back\b"
    r"|\broll(?:ed|ing)?[- ]?back (?:to|of|the|from)\b",
    re.IGNORECASE,
)
_HOTFIX_BRANCH = re.compile(r"\bhot-?fix(?:es)?[/_-]", re.IGNORECASE)
_FIX_PREFIX = re.compile(r"^\W*(?:bug)?fix(?:\(([^)]*)\))?!?:", re.IGNORECASE)
_FIX = re.compile(
    r"\b(?:fix(?:es|ed|ing)?|bug(?:s|fix)?|regressions?|crash(?:es|ed|ing)?|broken|panics?|deadlocks?|leak(?:s|ing)?)\b",
    re.IGNORECASE,
)
_FIXED_ID = re.compile(r"^Fixes: [0-9a-f]{7,64}\b", re.MULTILINE | re.IGNORECASE)
_NO_FIX = re.compile(
    r"\b(?:deps?|dependenc(?:y|ies)|bump(?:s|ed)?|typos?|lint\w*|format(?:ting)?|whitespace|indent\w*|spelling|grammar"
    r"|docs?|documentation|readme|comments?|tests?|flak(?:y|es?)|ci|warnings?|style|links?|imports?|prefix|suffix)\b",
    re.IGNORECASE,
)
_BOT = re.compile(r"\[bot\]|(?:^|[^a-z])(?:bot|dependabot|renovate|renovatebot|greenkeeper)(?:$|[^a-z])", re.IGNORECASE)


def purpose(commit: Commit) -> Purpose:
    """What `commit` was for, by its message (and its parents, for a merge)."""
    return Purpose.MERGE if len(commit.parents) > 1 else _purpose(commit.message)


@lru_cache(maxsize=65_536)
def _purpose(message: str) -> Purpose:
    subject, _, body = message.partition("\n")
    subject = subject[:SUBJECT_CHARACTERS_MAX]
    if _REVERT_OF_REVERT.search(subject):
        return Purpose.RELAND
    if _REVERT.search(subject) or (_REVERTED_ID.search(body) and not _LISTED.search(body)):
        return Purpose.REVERT
    if _HOTFIX.search(subject):
        return Purpose.HOTFIX
    prefix = _FIX_PREFIX.match(subject)
    if prefix or _FIX.search(subject) or _FIXED_ID.search(body):
        return Purpose.CHANGE if _NO_FIX.search(subject) else Purpose.FIX
    return Purpose.CHANGE


def brings_hotfix(commit: Commit) -> bool:
    """Whether it merges a branch that is named as a hotfix."""
    return len(commit.parents) > 1 and bool(_HOTFIX_BRANCH.search(commit.subject))


def reverted_id(commit: Commit) -> str:
    """The id (or its beginning) of the commit that this one says it reverts; empty when it does not say."""
    found = _REVERTED_ID.search(commit.message)
    return found.group(1).lower() if found else ""


def reverted_subject(commit: Commit) -> str:
    """The subject of the commit that this one says it reverts; empty when it does not say."""
    found = _REVERTED_SUBJECT.search(commit.subject)
    return found.group(1).strip() if found else ""


def by_bot(commit: Commit) -> bool:
    """Whether a program made it, as its author's name or address says."""
    return bool(_BOT.search(commit.author) or _BOT.search(commit.email))


def kinds(commit: Commit) -> set[FileKind]:
    return {file_kind(change.path) for change in commit.files}


def substantive(commit: Commit) -> bool:
    """Whether it can change how the service behaves: it touches code or configuration, and is not a merge."""
    return len(commit.parents) <= 1 and not kinds(commit).isdisjoint((FileKind.CODE, FileKind.CONFIG))


def by_people(commits: Iterable[Commit]) -> list[Commit]:
    """What people did: no merges, nothing that a program made."""
    return [commit for commit in commits if len(commit.parents) <= 1 and not by_bot(commit)]
