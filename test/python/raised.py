"""What tests of raised spellings share."""
import json

import ssm_mlir


def name(s):
    """What of a spelling is not as by default."""
    default = type(s)()
    return "-".join(f"{k}_{v}" for k, v in vars(s).items() if v != getattr(default, k)) or "default"


def compiled(model, tmp_path):
    """The module, and the kinds of what was raised."""
    report = tmp_path / "report.json"
    module = ssm_mlir.compile(model, report=str(report))
    return module, [r["kind"] for r in json.loads(report.read_text())["raised"]]
