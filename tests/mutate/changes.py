"""changes.py - single changes of C and Lua, each of a kind, found by reading tokens.

The sources are formatted (clang-format for C), so that what is between blanks is a binary operator and what is not is a
unary one; no parser is needed for the rest.
"""

import collections
import re

KINDS = ("operator", "constant", "call", "error", "break")

# `start` and `end` are offsets into the file's text; `line` counts from 1.
Change = collections.namedtuple("Change", "path line kind start end new")
Token = collections.namedtuple("Token", "text start end line kind")

C_TOKENS = re.compile(r"""
    (?P<skip>/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:\\\n|[^\n])*)|(?P<space>\s+)|(?P<string>L?"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])+')|
    (?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|
    (?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)""", re.X | re.S | re.M)
LUA_TOKENS = re.compile(r"""
    (?P<skip>--\[(?P<a>=*)\[.*?\](?P=a)\]|--[^\n]*)|(?P<space>\s+)|
    (?P<string>\[(?P<b>=*)\[.*?\](?P=b)\]|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|
    (?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<mark>\.\.\.|\.\.|==|~=|<=|>=|::|.)""", re.X | re.S)

C_FLIPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=",
           "++": "--", "--": "++", "|=": "&=", "&=": "|="}
C_BINARY = {"+": "-", "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<"}
LUA_FLIPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "~=", "~=": "==", "and": "or", "or": "and"}
# What holds an error, by our own habit of naming it.
ERROR_NAMES = {"code", "status", "rc", "error", "err", "failed", "rest"}
# Statements that say nothing about what the program does.
SILENT = {"assert", "static_assert", "_Static_assert"}
NOT_CALLS = {"if", "while", "for", "switch", "return", "sizeof", "defined", "else", "do"}
LUA_NOT_CALLS = {"if", "while", "for", "return", "function", "local", "and", "or", "not", "elseif", "until", "require"}


def tokens(pattern, text):
    found, line = [], 1
    for match in pattern.finditer(text):
        kind = match.lastgroup
        kind = next(name for name in ("skip", "space", "string", "number", "name", "mark") if match.group(name) is not None)
        if kind not in ("skip", "space"):
            found.append(Token(match.group(), match.start(), match.end(), line, kind))
        line += match.group().count("\n")
    return found


def closing(all_tokens, at, pairs={"(": ")", "[": "]", "{": "}"}):
    """The index of what closes the bracket at `at`."""
    depth = 0
    for i in range(at, len(all_tokens)):
        text = all_tokens[i].text
        if all_tokens[i].kind == "mark":
            depth += (text in pairs) - (text in pairs.values())
            if depth == 0:
                return i
    return len(all_tokens) - 1


def is_integer(token):
    return token.kind == "number" and re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", token.text)


def off_by_one(path, token, kind="constant"):
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", token.text)
    value = int(match.group(1), 16 if match.group(1)[:2] in ("0x", "0X") else 10)
    for other in (value + 1, value - 1):
        yield Change(path, token.line, kind, token.start, token.end, "%d%s" % (other, match.group(2)))


def spaced(text, token):
    return text[token.start - 1].isspace() and text[token.end:token.end + 1].isspace()


# ---- C ----

def statement_starts(all_tokens):
    """Indices where a statement of a function begins."""
    depth, function, after_control = 0, False, set()
    for i, token in enumerate(all_tokens):
        before = all_tokens[i - 1].text if i else ""
        if token.text == "{":
            function = function or (depth == 0 and before == ")")
            depth += 1
            continue
        if token.text == "}":
            depth -= 1
            function = function and depth > 0
        elif function and token.text in ("if", "while", "for", "switch") and i + 1 < len(all_tokens):
            after_control.add(closing(all_tokens, i + 1) + 1)
        if function and (before in (";", "{", "}", "else", "do", ":") or i in after_control):
            yield i


def of_statement(path, text, all_tokens, at):
    """The statement at `at` is left out, or its error forgotten."""
    token = all_tokens[at]
    following = all_tokens[at + 1].text if at + 1 < len(all_tokens) else ""
    if token.text in ("break", "continue") and following == ";":
        yield Change(path, token.line, "break", token.start, token.end, "")
    elif token.text == "return":
        end = next(i for i in range(at, len(all_tokens)) if all_tokens[i].text == ";")
        value = text[all_tokens[at + 1].start:all_tokens[end].start]
        if re.fullmatch(r"-E[A-Z0-9]+", value) or value in ERROR_NAMES:
            yield Change(path, token.line, "error", all_tokens[at + 1].start, all_tokens[end].start, "0")
        elif value in ("true", "false"):
            yield Change(path, token.line, "constant", all_tokens[at + 1].start, all_tokens[end].start,
                         "false" if value == "true" else "true")
    else:
        i = at
        if [t.text for t in all_tokens[i:i + 3]] == ["(", "void", ")"]:
            i += 3
        if all_tokens[i].kind != "name" or all_tokens[i].text in NOT_CALLS | SILENT:
            return
        while all_tokens[i + 1].text in ("->", "."):
            i += 2
        if all_tokens[i + 1].text != "(":
            return
        end = closing(all_tokens, i + 1)
        if all_tokens[end + 1].text == ";":
            yield Change(path, token.line, "call", token.start, all_tokens[end].end, "")


def of_error(path, text, all_tokens, at):
    """`code = call(...)` goes on as though it had succeeded."""
    if all_tokens[at].text not in ERROR_NAMES or all_tokens[at + 1].text != "=" or all_tokens[at - 1].text in ("->", "."):
        return  # a field of that name is something else
    depth = 0
    for i in range(at + 2, len(all_tokens)):
        word = all_tokens[i].text
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if depth < 0 or (depth == 0 and word in (";", ",")):
            break
    value = text[all_tokens[at + 2].start:all_tokens[i - 1].end]
    if re.match(r"[A-Za-z_][\w.>-]*(\(|$)", value) and value not in ("true", "false", "NULL"):
        yield Change(path, all_tokens[at].line, "error", all_tokens[at + 2].start, all_tokens[i - 1].end, "((void)(%s), 0)" % value)


def inside_silent(all_tokens):
    """The offsets of what stands in an assert()."""
    for i, token in enumerate(all_tokens[:-1]):
        if token.text in SILENT and all_tokens[i + 1].text == "(":
            yield token.start, all_tokens[closing(all_tokens, i + 1)].end


def is_room(all_tokens, at):
    """`char text[512];`, which nobody could see to be one larger."""
    before, after = [token.text for token in all_tokens[max(0, at - 3):at]], all_tokens[at + 1:at + 3]
    return (len(before) == 3 and before[2] == "[" and all_tokens[at - 2].kind == "name" and after[0].text == "]"
            and (all_tokens[at - 3].kind == "name" or before[0] == "*") and before[0] not in NOT_CALLS
            and after[1].text in (";", ",", "=", ")"))


def of_c(path, text):
    all_tokens = tokens(C_TOKENS, text)
    found = []
    for at in statement_starts(all_tokens):
        found += of_statement(path, text, all_tokens, at)
    for i, token in enumerate(all_tokens[:-2]):
        if token.kind == "mark":
            if token.text in C_FLIPS and not (token.text in "<>" and not spaced(text, token)):
                found.append(Change(path, token.line, "operator", token.start, token.end, C_FLIPS[token.text]))
            elif token.text in C_BINARY and spaced(text, token):
                found.append(Change(path, token.line, "operator", token.start, token.end, C_BINARY[token.text]))
            elif token.text == "!":
                found.append(Change(path, token.line, "operator", token.start, token.end, ""))
        elif is_integer(token):
            found += list(off_by_one(path, token))[is_room(all_tokens, i):]
        elif token.kind == "name":
            found += of_error(path, text, all_tokens, i)
    silent = list(inside_silent(all_tokens))
    return [c for c in found if not any(start <= c.start < end for start, end in silent)]


# ---- Lua ----

def lua_call(path, text, all_tokens, at):
    """A call that is a statement of its own, on lines of its own."""
    token = all_tokens[at]
    begin = text.rfind("\n", 0, token.start) + 1
    if token.kind != "name" or token.text in LUA_NOT_CALLS:
        return
    before = all_tokens[at - 1].text if at else ""
    if text[begin:token.start].strip() and before not in ("then", "do", "else"):
        return
    if before in ("=", ",", "(", "{", "and", "or", "not", "return", "..", "+", "-", "in"):
        return
    i = at
    while i + 2 < len(all_tokens) and all_tokens[i + 1].text in (".", ":"):
        i += 2
    if all_tokens[i + 1].text != "(":
        return
    end = closing(all_tokens, i + 1)
    rest = text[all_tokens[end].end:]
    if re.match(r"[ \t]*(--[^\n]*)?\n", rest) or re.match(r"[ \t]+(end|else|elseif)\b", rest):
        following = all_tokens[end + 1].text if end + 1 < len(all_tokens) else ""
        if following in (".", ":", "..", ",", "+", "-", "and", "or", "=", "==", "[", "("):
            return
        kind = "error" if token.text in ("error", "fail", "raise") else "call"
        yield Change(path, token.line, kind, token.start, all_tokens[end].end, "")


def lua_return(path, text, all_tokens, at):
    words = [t.text for t in all_tokens[at + 1:at + 3]]
    token, value = all_tokens[at], all_tokens[at + 1]
    if words[0] in ("true", "false") and not words[1:] == [","]:
        yield Change(path, token.line, "constant", value.start, value.end, "false" if words[0] == "true" else "true")
    elif words == ["nil", ","]:
        yield Change(path, token.line, "error", value.start, value.end, "true")


def of_lua(path, text):
    all_tokens = tokens(LUA_TOKENS, text)
    found = []
    for i, token in enumerate(all_tokens[:-2]):
        if token.text in LUA_FLIPS:
            found.append(Change(path, token.line, "operator", token.start, token.end, LUA_FLIPS[token.text]))
        elif token.text in ("+", "-") and spaced(text, token):
            found.append(Change(path, token.line, "operator", token.start, token.end, "-" if token.text == "+" else "+"))
        elif token.text == "not":
            found.append(Change(path, token.line, "operator", token.start, token.end, ""))
        elif is_integer(token):
            found += off_by_one(path, token)
        elif token.text == "break":
            found.append(Change(path, token.line, "break", token.start, token.end, ""))
        elif token.text == "return":
            found += lua_return(path, text, all_tokens, i)
        else:
            found += lua_call(path, text, all_tokens, i)
    return found


def of_file(path, text):
    return of_lua(path, text) if path.endswith(".lua") else of_c(path, text)


def applied(text, change):
    return text[:change.start] + change.new + text[change.end:]
