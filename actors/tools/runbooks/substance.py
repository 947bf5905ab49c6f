"""How much of a page somebody could act on: words, steps, commands, and what only stands in for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools.runbooks.lines import Line, Sort

WORDS_MIN = 20  # below this a page or a section is a stub: two sentences name a problem, they do not mend it
PLACEHOLDER_WORDS_MAX = 80  # a TODO in a longer text is a remark, in a shorter one it is the content

_RESPONSE_HEADING = re.compile(
    r"diagnos|troubleshoot|mitigat|remedi|resol(?:v|ution)|symptom|what to do|next steps|investigat|recover|roll ?back|"
    r"steps|procedure|how to|actions?\b|checks?\b|verif|debug|playbook|response|escalat|fix|workaround|impact",
    re.IGNORECASE,
)
_VERBS = (
    "check verify run restart look inspect ensure roll rollback revert scale drain confirm open go execute contact "
    "escalate page find identify determine stop start kill delete remove increase decrease reduce raise disable enable "
    "try wait log ssh connect query review compare add fix free failover switch apply set make if once see follow "
    "investigate collect silence notify tell ask update reboot redeploy deploy clear flush rotate renew restore promote"
)
_STEP = re.compile(
    rf"(?:^|[.;:!]\s+)(?:then |first,? |next,? |finally,? )?(?:{'|'.join(_VERBS.split())})\b", re.IGNORECASE
)
_ORDERED = re.compile(r"^\s*(?:\d+[.)]|\.{1,3})\s+\S")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)]|\.{1,3})\s+(?:\[[ xX]\]\s+)?")
_COMMAND = re.compile(
    r"`[^`\n ]+ [^`\n]+`|^\s*\$ \S|^(?: {4,}|\t)(?:\$ |sudo |[a-z][\w.-]+ -{1,2}\w|[a-z][\w-]+ [a-z][\w-]+ )"
)
_PLACEHOLDER = re.compile(
    r"\b(?:TODO|TBD|TBC|FIXME|WIP)\b|(?i:to be (?:written|done|documented|completed|added|defined)|coming soon|"
    r"lorem ipsum|under construction|work in progress|fill (?:this|me) in|write me\b|placeholder (?:page|text)|"
    r"not (?:yet )?written)"
)
LINKED = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)|https?://\S+|<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Substance:
    """How much there is to act on. `steps` are numbered items and imperative sentences, `commands` lines of code."""

    words: int = 0
    steps: int = 0
    commands: int = 0
    response: int = 0  # headings of incident response
    placeholder_line: int = 0  # of the first TODO; 0: none

    @staticmethod
    def total(parts: Sequence[Substance]) -> Substance:
        return Substance(
            sum(part.words for part in parts),
            sum(part.steps for part in parts),
            sum(part.commands for part in parts),
            sum(part.response for part in parts),
            next((part.placeholder_line for part in parts if part.placeholder_line), 0),
        )

    @property
    def lack(self) -> str:
        """Why nobody could act on this, or an empty string when somebody could."""
        if self.placeholder_line and self.words < PLACEHOLDER_WORDS_MAX and not self.commands:
            return f"placeholder text and {self.words} words"
        if self.words + 5 * self.commands < WORDS_MIN:
            return f"only {self.words} words"
        if not self.commands and self.steps < 2 and not (self.response and self.words >= 2 * WORDS_MIN):
            return "no steps, commands or queries"
        return ""


def substance_of(line: Line) -> Substance:
    """What one line adds."""
    if line.sort is Sort.CODE:
        return Substance(commands=1 if line.text.strip() else 0)
    if line.sort is Sort.HEADING:
        return Substance(response=1 if _RESPONSE_HEADING.search(line.text) else 0)
    if line.sort is not Sort.PROSE or not line.text.strip():
        placeholder = line.sort is Sort.COMMENT and _PLACEHOLDER.search(line.text)
        return Substance(placeholder_line=line.number if placeholder else 0)
    said = _BULLET.sub("", LINKED.sub(r"\1", line.text)).strip(" *_>|")
    steps = max(len(_STEP.findall(said)), 1 if _ORDERED.match(line.text) else 0)
    return Substance(
        words=len(re.findall(r"\w[\w'’-]*", said)),
        steps=steps,
        commands=len(_COMMAND.findall(line.text)),
        placeholder_line=line.number if _PLACEHOLDER.search(line.text) else 0,
    )
