"""The manuals as they stand in server/install/man, for tests that run what they show."""
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "server/install/man"
SIGNS = {"\\e": "\\", "\\-": "-", "\\(aq": "'", "\\(ga": "`", "\\(ti": "~", "\\(ha": "^", "\\(dq": '"', "\\&": ""}


def plain(text):
    """What a reader sees of a literal text of mdoc."""
    return re.sub(r"\\(?:\(..|[e&-])", lambda sign: SIGNS[sign[0]], text)


def displays(text):
    """The literal displays of a page's source, or of a part of it."""
    return [plain(display) for display in re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.M)]


def examples(page):
    """(number, text) of each subsection "Example N: ..." of a page."""
    parts = re.split(r"^\.Ss Example (\d+): .*\n", (FOLDER / page).read_text(), flags=re.M)[1:]
    return [(int(number), displays(part)[0]) for number, part in zip(parts[::2], parts[1::2])]
