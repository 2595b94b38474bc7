#!/usr/bin/env python3
"""Every rule of lint.py sees its violation in a tree made for it, and nothing in a tree without one."""
import contextlib
import io
import json
import shutil
import tempfile
import unittest
from pathlib import Path

import lint

MARK = "TO" + "DO"


class Tree(unittest.TestCase):
    """A tree to break rules in."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="morphogen-lint-"))
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_lint(self, *rules):
        """Exit code and report."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = lint.main(["--root", str(self.root), *rules])
        return code, out.getvalue()

    def expect_violation(self, rule, name, text, where):
        """`text` as file `name` breaks `rule` at `where` ("FILE:LINE") in a tree that is clean without it."""
        with self.subTest(name=name, text=text):
            self.assertEqual(self.run_lint(rule)[0], 0, "the tree is not clean to begin with")
            self.write(name, text)
            code, report = self.run_lint(rule)
            self.assertEqual(code, 1, report)
            self.assertIn(f"{where}: {rule}: ", report)
            (self.root / name).unlink()

    def expect_clean(self, rule, name, text):
        with self.subTest(name=name, text=text):
            self.write(name, text)
            code, report = self.run_lint(rule)
            self.assertEqual(code, 0, report)
            (self.root / name).unlink()


class Rules(Tree):
    def test_includes_point_one_way(self):
        for name, header in [("core/a.hpp", "nca/b.hpp"), ("core/a.hpp", "apps/b.hpp"), ("nca/a.cpp", "train/b.hpp"),
                             ("nca/a.cpp", "pde/b.hpp"), ("train/a.cpp", "nca/b.hpp"), ("train/a.cpp", "apps/b.hpp"),
                             ("abm/a.cpp", "pde/b.hpp"), ("cuda/nca/a.cu", "train/b.hpp"),
                             ("cuda/nca/a.cu", "cuda/train/b.cuh"), ("cuda/core/a.cu", "nca/b.hpp"),
                             ("cuda/core/a.cu", "cuda/nca/b.cuh"), ("apps/a.cpp", "cuda/nca/b.hpp"),
                             ("nca/a.cpp", "cuda/nca/b.hpp"), ("core/a.cpp", "tests/support/b.hpp")]:
            self.expect_violation("includes", name, f'#pragma once\n#include "{header}"\n', f"{name}:2")
            self.expect_violation("includes", name, f"  # include <{header}>\n", f"{name}:1")

    def test_includes_of_the_table_are_fine(self):
        for name, header in [("core/a.hpp", "core/b.hpp"), ("nca/a.cpp", "core/b.hpp"), ("train/a.cpp", "train/b.hpp"),
                             ("cuda/nca/a.cu", "cuda/core/b.cuh"), ("cuda/nca/a.cu", "nca/b.hpp"),
                             ("cuda/nca/a.cu", "core/b.hpp"), ("apps/a.cpp", "train/b.hpp"),
                             ("tests/nca/a.cpp", "cuda/nca/b.hpp"), ("apps/a.cpp", "mg_git.hpp"),
                             ("cuda/core/a.cuh", "emulator.hpp")]:
            self.expect_clean("includes", name, f'#include "{header}"\n')
        self.expect_clean("includes", "core/a.cpp", "#include <cmath>\n#include <curses.h>\n#include FT_FREETYPE_H\n")
        self.expect_clean("includes", "cuda/nca/a.cu", "#include <cufft.h>\n#include <cub/cub.cuh>\n")
        self.expect_clean("includes", "tests/a.cpp", "#include <cuda_runtime.h>\n")
        self.expect_clean("includes", "apps/a.cpp", "#include <CLI/CLI.hpp>\n")

    def test_cuda_stays_under_cuda(self):
        for header in ["cuda_runtime.h", "cuda.h", "cufft.h", "cub/cub.cuh", "thrust/sort.h", "cooperative_groups.h",
                       "nvtx3/nvToolsExt.h", "cublas_v2.h", "cuda/atomic"]:
            self.expect_violation("includes", "core/a.cpp", f"#include <{header}>\n", "core/a.cpp:1")
        self.expect_violation("includes", "nca/a.cu", "\n", "nca/a.cu:1")
        self.expect_violation("includes", "nca/a.cuh", "\n", "nca/a.cuh:1")

    def test_includes_start_at_the_root_of_the_tree(self):
        self.expect_violation("includes", "core/a.cpp", '#include "b.hpp"\n', "core/a.cpp:1")
        self.expect_violation("includes", "core/a.cpp", '#include "../nca/b.hpp"\n', "core/a.cpp:1")
        self.expect_violation("includes", "core/a.cpp", '#include "emulator.hpp"\n', "core/a.cpp:1")
        self.expect_violation("includes", "core/a.cpp", "#include <CLI/CLI.hpp>\n", "core/a.cpp:1")
        self.expect_violation("includes", "util/a.cpp", "\n", "util/a.cpp:1")

    def test_lengths(self):
        for name in ["core/a.cpp", "cuda/nca/a.cuh", "tests/nca/a_test.cpp", "tests/lint/a.py", "scripts/a",
                     "cmake/A.cmake"]:
            self.expect_violation("lengths", name, "\n" * 601, f"{name}:601")
        self.expect_clean("lengths", "core/a.cpp", "\n" * 600)
        self.expect_clean("lengths", "docs/config.md", "\n" * 900)
        self.write("core/a.cpp", "\n" * 301)
        self.assertIn("note: core/a.cpp has 301 lines", self.run_lint("lengths")[1])
        self.write("core/a.cpp", "\n" * 300)
        self.assertNotIn("note", self.run_lint("lengths")[1])

    def test_launches(self):
        raw = "void f() {\n  kernel<<<1, 2>>>();\n}\n"
        self.expect_violation("launches", "cuda/nca/a.cu", raw, "cuda/nca/a.cu:2")
        self.expect_violation("launches", "tests/nca/a.cu", raw, "tests/nca/a.cu:2")
        self.expect_violation("launches", "cuda/nca/a.cu", "int n = 1'000; auto m = 2'000; k<<<n, m>>>();\n",
                              "cuda/nca/a.cu:1")
        self.expect_violation("launches", "cuda/nca/a.cu", "f(\"\\\"\"); k<<<1, 1>>>(); // \"\n", "cuda/nca/a.cu:1")
        self.expect_clean("launches", "cuda/core/launch.cuh", raw)
        self.expect_clean("launches", "cuda/nca/a.cu", '// k<<<1, 1>>>()\n/* <<<\n<<< */ f("<<<", R"(<<<)", 1 << 2);\n')

    def test_markers(self):
        for word in [MARK, "FIX" + "ME", "XX" + "X"]:
            self.expect_violation("markers", "core/a.cpp", f"\n// {word}: later\n", "core/a.cpp:2")
            self.expect_violation("markers", "docs/a.md", f"{word}(name)\n", "docs/a.md:1")
        self.expect_clean("markers", "core/a.cpp", f'mkdtemp("name-{"X" * 6}"); MG_{MARK}S\n')
        self.write("a.png", f"\0{MARK} ")
        self.assertEqual(self.run_lint("markers")[0], 0, "binary files are not text")

    def test_paths(self):
        for path in ["/work" + "/main/x", "/root" + "/.cache", "/home" + "/me", "../" + "shared/golden", "/Users" + "/me"]:
            self.expect_violation("paths", "core/a.cpp", f'open("{path}");\n', "core/a.cpp:1")
            self.expect_violation("paths", "scripts/a", f"cd {path}\n", "scripts/a:1")
        self.expect_clean("paths", "core/a.cpp", '#include "apps/root_schema.hpp"\nopen("/tmp/x", "/dev/null", "a' + "/work" + '/b")\n')
        self.expect_clean("paths", "tests/support/environment.cpp", "../" + "shared\n")

    def test_folders_of_builds_are_not_the_tree(self):
        self.write("build/release/core/a.cpp", f"// {MARK}\n")
        self.write("core/b.cpp", "\n")
        code, report = self.run_lint("all")
        self.assertEqual(code, 0, report)
        self.assertIn("1 files", report)

    def test_the_exit_code_of_a_wrong_rule(self):
        with self.assertRaises(SystemExit) as stop, contextlib.redirect_stderr(io.StringIO()):
            self.run_lint("include")
        self.assertEqual(stop.exception.code, 2)


@unittest.skipUnless(shutil.which("g++"), "no g++")
class Headers(Tree):
    """The rule that compiles."""

    def compile_commands(self, *sources):
        path = self.root / "compile_commands.json"
        path.write_text(json.dumps([{"directory": str(self.root), "file": s,
                                     "command": f"ccache g++ -O3 -I{self.root} -DWIDTH=3 -std=c++20 -o x.o -c {s}"}
                                    for s in sources]))
        return ["--compile-commands", str(path), "headers"]

    def test_headers(self):
        self.write("core/a.cpp", "\n")
        self.write("core/good.hpp", '#pragma once\n#include "core/other.hpp"\ninline int f() { return WIDTH + g(); }\n')
        self.write("core/other.hpp", "#pragma once\ninline int g() { return 1; }\n")
        options = self.compile_commands("core/a.cpp")
        self.assertEqual(self.run_lint(*options)[0], 0)
        self.write("core/bad.hpp", "#pragma once\ninline std::string f() { return {}; }\n")
        self.write("core/worse.hpp", "#pragma once\ninline int f() { return g(); }\n")
        code, report = self.run_lint(*options)
        self.assertEqual(code, 1)
        self.assertIn("core/bad.hpp:1: headers: does not compile alone", report)
        self.assertIn("core/worse.hpp:1: headers: ", report)
        self.assertIn("2 violations", report)

    def test_the_first_include_of_a_file_is_proof_enough(self):
        self.write("core/a.hpp", "#pragma once\ninline std::string f() { return {}; }\n")
        self.write("core/a.cpp", '#include "core/a.hpp"\n')
        options = self.compile_commands("core/a.cpp")
        self.assertEqual(self.run_lint(*options)[0], 0, "the build would have failed")
        self.write("core/a.cpp", '#include <string>\n#include "core/a.hpp"\n')
        self.assertEqual(self.run_lint(*options)[0], 1)

    def test_without_a_build_it_is_a_skip(self):
        self.assertEqual(self.run_lint("headers")[0], 77)


if __name__ == "__main__":
    unittest.main()
