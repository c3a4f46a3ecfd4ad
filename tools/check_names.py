#!/usr/bin/env python3
"""Fails where two files define a type of one name in one namespace: linked together they would be undefined behaviour.

The compiler sees two headers that are included together (tests/library); nothing sees a type of a source file that is
in no anonymous namespace. Forward declarations and the members of a class are no definitions.
"""
import collections
import pathlib
import re
import sys

TYPE = re.compile(r"\b(?:struct|class|enum|union)\s+(?:class\s+|struct\s+)?(\w+)(?:\s+final)?\s*(?::[^:].*)?$", re.S)
ALIAS = re.compile(r"^using\s+(\w+)\s*=")
NAMESPACE = re.compile(r"\bnamespace\s*([\w:]*)$")
NOT_CODE = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\])+\'|^[ ]*#(?:\\\n|[^\n])*',
                      re.S | re.M)


def definitions(text):
    """The qualified names of types at namespace scope; those of anonymous namespaces are their file's own."""
    text = NOT_CODE.sub(lambda match: "" if match[0].lstrip().startswith("#") or match[0][0] == "/" else "0", text)
    scopes, begin = [], 0
    for mark in re.finditer(r"[{};]", text):
        head, begin = text[begin:mark.start()].strip(), mark.end()
        shared = all(scope is not None for scope in scopes)
        found = TYPE.search(head) if mark[0] == "{" else ALIAS.search(head) if mark[0] == ";" else None
        if found and shared and "(" not in head:
            yield "::".join([*scopes, found[1]])
        if mark[0] == "{":
            space = NAMESPACE.search(head)
            scopes.append(space[1] or None if space else None)
        elif mark[0] == "}" and scopes:
            scopes.pop()


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    files = collections.defaultdict(list)
    for room in ("unrect", "apps"):
        for path in sorted((root / room).rglob("*.[ch]pp")):
            for name in definitions(path.read_text()):
                files[name].append(str(path.relative_to(root)))
    twice = {name: where for name, where in files.items() if len(where) > 1}
    for name, where in sorted(twice.items()):
        print(f"{name}: defined in {', '.join(where)}; expected one meaning for one name")
    if len(files) < 100:
        print(f"{len(files)} types found; expected those of the whole library")
    if twice or len(files) < 100:
        return 1
    print(f"{len(files)} types, each name of one meaning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
