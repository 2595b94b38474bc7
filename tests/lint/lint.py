#!/usr/bin/env python3
"""House rules of the source tree that no compiler checks; docs/architecture.md states them.

usage: lint.py [--root DIR] [--compile-commands FILE] RULE ...
Rules: includes lengths launches markers paths headers, or `all` (every rule but headers, which compiles).
Prints "FILE:LINE: rule: what is wrong" per violation and "note: ..." for what only asks for attention.
Exit: 0 clean, 1 violations, 2 wrong usage, 77 nothing to check with (ctest shows a skip).
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path, PurePosixPath

MODULES = ("core", "nca", "pde", "abm", "train")
MAY_INCLUDE = {  # folder -> folders of this project that its files may include; tests/ may include everything
    "core": {"core"},
    **{m: {"core", m} for m in MODULES[1:]},
    "apps": {*MODULES, "apps"},
    "cuda/core": {"core", "cuda/core"},
    **{f"cuda/{m}": {"core", m, "cuda/core", f"cuda/{m}"} for m in MODULES[1:]},
}
CODE = {".hpp", ".cpp", ".cuh", ".cu"}
MEASURED = CODE | {".py", ".cmake"}  # files whose length counts, beside scripts/*
NOTE_LINES, MOST_LINES = 300, 600
CUDA_HEADER = re.compile(r"(cu(da|blas|fft|dnn|rand|solver|sparse)\w*(\.h|/.*)|cub/.*|thrust/.*|cooperative_groups.*|"
                         r"nccl\.h|nvtx3/.*|nvml\.h|mma\.h|.*\.cuh)$")
GENERATED = re.compile(r"mg_\w+\.hpp$")  # written while configuring
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]')
MARKER = re.compile(r"\b(TODO|FIXME|XXX)\b")
FOREIGN_PATH = re.compile(r"(?<![\w.$}])/(work|root|home|mnt|Users)(/|\b(?![-.\w]))|\.\./shared\b")
PATH_EXEMPT = ("tests/support/environment.", "tests/lint/")  # the one place that looks beside the source tree


def tracked(root):
    """Paths of the tree, relative to `root`: what git knows or would add, else every file outside build folders."""
    if (root / ".git").exists():
        git = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                             capture_output=True, check=False)
        if git.returncode == 0:
            names = (n for n in git.stdout.decode().split("\0") if n)
            return sorted(PurePosixPath(n) for n in names if (root / n).is_file())
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in {".git", ".cache", "__pycache__", "build", "runs"}]
        found += [PurePosixPath((Path(folder) / n).relative_to(root).as_posix()) for n in names]
    return sorted(found)


def text_of(root, path):
    """Content of a text file, or None for a binary one."""
    data = (root / path).read_bytes()
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def code_only(text):
    """C++ text with comments and literals blanked; lines keep their numbers."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|\b(?:u8|[uUL])?R"([^\s()\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
                       r"(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'", re.DOTALL)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def folder_of(path):
    """core/x.hpp -> core; cuda/nca/x.cu -> cuda/nca; x -> ''"""
    parts = path.parts[:-1]
    return "/".join(parts[:2] if parts[:1] == ("cuda",) else parts[:1])


def check_includes(root, files):
    """The table of docs/architecture.md."""
    for path in files:
        if path.suffix not in CODE or path.parts[0] == "tests":
            continue
        here = folder_of(path)
        if here not in MAY_INCLUDE:
            yield f"{path}:1: includes: no room for code here; docs/architecture.md lists the folders"
            continue
        if path.suffix in {".cu", ".cuh"} and not here.startswith("cuda/"):
            yield f"{path}:1: includes: {path.suffix} files live under cuda/"
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and (why := refusal(path, here, match.group(2), match.group(1) == '"')):
                yield f"{path}:{number}: includes: {why}"


def refusal(path, here, target, quoted):
    """Why `path` in folder `here` may not include `target`; None when it may."""
    there = folder_of(PurePosixPath(target))
    cuda_file = here.startswith("cuda/")
    if there in MAY_INCLUDE or there.split("/")[0] in {"tests", "cuda"}:
        if there not in MAY_INCLUDE[here]:
            return f"{here}/ may not include {target}"
        return None
    if not cuda_file and CUDA_HEADER.match(target):
        return f"CUDA header {target} outside cuda/"
    if target.startswith("CLI/") and here != "apps":
        return f"{target} outside apps/"
    stand_in = target == "emulator.hpp" and here == "cuda/core"  # the tests' CUDA; only where it is compiled for them
    if quoted and not GENERATED.match(target) and not stand_in:
        return f'"{target}" is no path from the root of the tree'
    return None


def check_lengths(root, files):
    """Files are short; generated and data files are not counted."""
    for path in files:
        if path.suffix not in MEASURED and path.parts[0] != "scripts":
            continue
        lines = (root / path).read_bytes().count(b"\n")
        if lines > MOST_LINES:
            yield f"{path}:{lines}: lengths: {lines} lines, at most {MOST_LINES}: split it by what it does"
        elif lines > NOTE_LINES:
            print(f"note: {path} has {lines} lines; {NOTE_LINES} are the rule")


def check_launches(root, files):
    """Kernels start through cuda/core/launch.cuh only, so that the emulation sees every one."""
    for path in files:
        if path.suffix in CODE and str(path) != "cuda/core/launch.cuh":
            for number, line in enumerate(code_only(text_of(root, path) or "").splitlines(), 1):
                if "<<<" in line:
                    yield f"{path}:{number}: launches: raw <<<>>>; use launch() of cuda/core/launch.cuh"


def check_lines(root, files, exempt, pattern, complaint):
    for path in files:
        text = None if str(path).startswith(exempt) else text_of(root, path)
        for number, line in enumerate((text or "").splitlines(), 1):
            if match := pattern.search(line):
                yield f"{path}:{number}: {complaint.format(match.group())}"


def check_markers(root, files):
    """Unfinished work is finished or it is an issue."""
    return check_lines(root, files, ("tests/lint/",), MARKER, "markers: {0}: finish it or open an issue")


def check_paths(root, files):
    """Nothing depends on somebody's machine."""
    return check_lines(root, files, PATH_EXEMPT, FOREIGN_PATH, "paths: {0} is a place on somebody's machine")


# ---- headers: every .hpp compiles alone ---------------------------------------------------------------------------
KEPT_FLAG = re.compile(r"-(D|I|std=|m|fopenmp)")


def flags_of(entry):
    """Compiler and those flags of one compile command that decide whether a header is complete."""
    words = shlex.split(entry["command"]) if "command" in entry else list(entry["arguments"])
    compiler = next(w for w in words if "ccache" not in Path(w).name)
    flags = [compiler]
    for word, following in zip(words, words[1:] + [""]):
        if word == "-isystem" or word in {"-I", "-D"}:
            flags += [word, following]
        elif KEPT_FLAG.match(word):
            flags.append(word)
    return tuple(flags)


def first_include(file):
    lines = file.read_text().splitlines() if file.exists() else []
    return next((m.group(2) for m in map(INCLUDE.match, lines) if m), None)


def header_groups(root, files, commands):
    """{flags: [headers]} of the headers that the build does not prove already (as first include of a file of their
    name); a header is compiled like a neighbour of its folder."""
    built, by_folder = set(), {}
    for entry in commands:
        source = Path(entry["directory"], entry["file"]).resolve()
        if source.suffix != ".cpp" or not source.is_relative_to(root):
            continue
        name = PurePosixPath(source.relative_to(root).as_posix())
        built.add(name)
        by_folder.setdefault((name.parent, name.stem.endswith("_isa")), flags_of(entry))
    groups = {}
    for header in (f for f in files if f.suffix == ".hpp"):
        source = header.with_suffix(".cpp")
        if source in built and first_include(root / source) == str(header):
            continue
        folder = PurePosixPath(*header.parts[1:-1]) if header.parts[0] == "cuda" else header.parent
        flags = by_folder.get((folder, header.name.startswith("isa_")))
        if flags is None:
            print(f"note: {header} is not compiled alone: nothing in its folder is part of this build")
        else:
            groups.setdefault(flags, []).append(header)
    return groups


def compile_headers(root, flags, headers):
    run = subprocess.run([*flags, "-fsyntax-only", "-w", "-x", "c++", *map(str, headers)], cwd=root,
                         capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return
    if len(headers) > 1:  # name the culprits
        for header in headers:
            yield from compile_headers(root, flags, [header])
        return
    error = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr.strip())
    yield f"{headers[0]}:1: headers: does not compile alone: {error}"


def check_headers(root, files, commands):
    """Every .hpp compiles alone with the flags of its module."""
    batches = [(flags, headers[i:i + 12]) for flags, headers in header_groups(root, files, commands).items()
               for i in range(0, len(headers), 12)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda b: list(compile_headers(root, *b)), batches):
            yield from found


RULES = {"includes": check_includes, "lengths": check_lengths, "launches": check_launches, "markers": check_markers,
         "paths": check_paths}


def main(arguments):
    parser = argparse.ArgumentParser(description="House rules of the source tree.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--compile-commands", type=Path, help="compile_commands.json of a build, for `headers`")
    parser.add_argument("rules", nargs="+", choices=[*RULES, "headers", "all"], metavar="RULE")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    files = tracked(root)
    rules = list(RULES) if "all" in options.rules else [r for r in options.rules if r != "headers"]
    found = [v for rule in rules for v in RULES[rule](root, files)]
    if "headers" in options.rules:
        if options.compile_commands is None or not options.compile_commands.exists():
            print("no compile_commands.json: headers are not checked")
            return 77
        found += check_headers(root, files, json.loads(options.compile_commands.read_text()))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(files)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
