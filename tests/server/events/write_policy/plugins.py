"""Small write policy plugins as commands of the shell, which starts at once."""

from pathlib import Path
from typing import Final

# The id of the event in $line, and an answer by what stands in it.
_ID: Final = """id=${line#*'"id":"'}; id=${id%%'"'*}"""
_DECIDE: Final = """case $line in
*'"content":"bad'*) action='"reject","msg":"blocked: bad"' ;;
*'"content":"hidden'*) action='"shadowReject"' ;;
*) action='"accept"' ;;
esac
echo '{"id":"'$id'","action":'$action'}'"""

JUDGE: Final = f"while IFS= read -r line; do {_ID}; {_DECIDE}; done"  # by the content
MUTE: Final = "cat > /dev/null"  # it reads, and never answers
AWAKE: Final = "exec sleep 600"  # it neither reads nor answers
ONCE: Final = f"IFS= read -r line; {_ID}; {_DECIDE}; exit 3"
# Answers two at a time, the later first.
BACKWARDS: Final = (
    f"while IFS= read -r first && IFS= read -r line; do {_ID}; {_DECIDE}; line=$first; {_ID}; {_DECIDE}; done"
)


def keeping(file: Path) -> str:
    """JUDGE, which also writes down what it is asked."""
    return f"while IFS= read -r line; do printf '%s\\n' \"$line\" >> {file}; {_ID}; {_DECIDE}; done"


def saying(text: str) -> str:
    """JUDGE, which says something else before each answer."""
    return f"while IFS= read -r line; do {_ID}; printf '%s\\n' '{text}'; {_DECIDE}; done"
