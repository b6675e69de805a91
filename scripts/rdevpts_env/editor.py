# SPDX-License-Identifier: GPL-2.0
"""rust-project.json, which rust-analyzer reads: from what the kernel's script writes, what is true for this project.

That script finds crates whose Kbuild lies beside them; the module's lies at the top. It also runs in the Debian root,
while the editor runs outside.
"""

import copy
import json

from . import paths
from .build import Builder
from .fail import Fail

_CONTROL, _SAMPLE = "racypts_main", "onepty_main"


def write_project(builder: Builder) -> None:
    """Take the kernel script's file from the build directory, and leave the finished one at the top of the sources."""
    made = builder.products / "rust-project.json"
    project = json.loads(made.read_text(encoding="utf-8").replace('"/usr', f'"{builder.setup.root.path}/usr'))
    made.unlink()
    crates = {crate["display_name"]: crate for crate in project["crates"]}
    if _CONTROL not in crates or _SAMPLE not in crates:
        raise Fail("the kernel's generate_rust_analyzer.py no longer finds what is in samples: rust-project.json not written")
    module = copy.deepcopy(crates[_CONTROL])
    crates[_CONTROL]["env"]["RACYPTS_GENERATED"] = str(builder.products / "racypts" / "bindings_generated.rs")
    crates[_SAMPLE]["env"]["RDEVPTS_BINDINGS_DIR"] = str(builder.products / "onepty" / "bindings")
    module["display_name"] = "rdevpts_main"
    module["root_module"] = str(paths.REPO / "src" / "rdevpts_main.rs")
    module["env"]["RDEVPTS_BINDINGS_DIR"] = str(builder.products / "src" / "bindings")
    project["crates"].append(module)
    (paths.REPO / "rust-project.json").write_text(json.dumps(project), encoding="utf-8")
