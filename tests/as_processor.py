"""Run Python as on a processor with fewer units: ``python tests/as_processor.py avx2 -m pytest``.

NumPy, OpenBLAS and torch's own kernels fall back to what such a processor has, where sums,
exponentials and products of matrices end in other last digits. The C library, oneDNN and MKL go on
as they are.
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
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if not {"AVX2", "X86_V3"} & set(found):
        print("This processor has no AVX2 to begin with: nothing is changed", flush=True)
        return {}
    variables, kept = PROCESSORS[name]
    off = [unit for unit in found if unit.startswith(("AVX", "FMA", "X86_V")) and unit not in kept]
    print(f"Without {', '.join(off) or 'any unit of NumPy'}; {variables}", flush=True)
    return {**variables, "NPY_DISABLE_CPU_FEATURES": ",".join(off)}


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in PROCESSORS:
        sys.exit(f"usage: python {sys.argv[0]} {{{','.join(PROCESSORS)}}} ARGUMENTS_OF_PYTHON")
    os.environ.update(environment(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
