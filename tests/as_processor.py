"""Run Python as on a processor with fewer units: ``python tests/as_processor.py avx2 -m pytest``.

Sums, exponentials and products of matrices end in other last digits there. Tests must not depend
on them.
"""

import os
import platform
import sys

import numpy as np

AVX2 = ("AVX", "AVX2", "FMA3", "X86_V3")
# As which processor the libraries compute, and which of NumPy's units stay on.
PROCESSORS = {
    "avx2": ({"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"}, AVX2),
    "sse": ({"OPENBLAS_CORETYPE": "Nehalem", "ATEN_CPU_CAPABILITY": "default"}, ()),
}


def environment(name: str) -> dict[str, str]:
    """Return the variables that make this processor one with fewer units."""
    if platform.machine() not in ("x86_64", "AMD64"):
        print(f"{platform.machine()} has no {name} to fall back on: nothing is changed", flush=True)
        return {}
    variables, kept = PROCESSORS[name]
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    off = [unit for unit in found if unit.startswith(("AVX", "FMA", "X86_V")) and unit not in kept]
    print(f"Without {', '.join(off) or 'any unit of NumPy'}; {variables}", flush=True)
    return {**variables, "NPY_DISABLE_CPU_FEATURES": ",".join(off)}


if __name__ == "__main__":
    os.environ.update(environment(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
