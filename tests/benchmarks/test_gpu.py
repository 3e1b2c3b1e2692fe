import json
import pathlib
import sys
import time

import pytest

from benchmarks import gpu
from tests.helpers import call_script


def record(**kwargs):
    return {"ms": 2.0, "of_ceiling": 1.5, **kwargs}


def test_a_measurement_gives_its_record_or_says_why_not(tmp_path):
    path = tmp_path / "record.json"
    write = f"open({str(path)!r}, 'w').write('{{\"a\": 1}}')"

    def measurement(script):
        return gpu.Measurement("name", ("-c", script), path)

    assert gpu.measure(measurement(write), 60.0) == {"a": 1}
    assert (
        "ended with 3" in gpu.measure(measurement("raise SystemExit(3)"), 60)["missing"]
    )
    slow = gpu.measure(measurement("import time; time.sleep(60)"), 0.5)
    assert slow == {"missing": "the time was over"}
    assert gpu.measure(measurement(write), 0.0) == {"missing": "no time was left"}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc")
def test_what_a_measurement_started_ends_with_its_time(tmp_path):
    told = tmp_path / "pid"
    inner = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid()))"
    inner += "; time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    measurement = gpu.Measurement("name", ("-c", outer), tmp_path / "record.json")
    assert gpu.measure(measurement, 4.0) == {"missing": "the time was over"}
    pid = int(told.read_text())
    # Killed, it may still be listed until its new parent has asked for its end.
    for _ in range(100):
        if not alive(pid):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {pid} goes on")


def alive(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_the_record_is_written_after_every_measurement(tmp_path, monkeypatch, capsys):
    left = []

    def measure(measurement, seconds):
        left.append(seconds)
        if left[1:]:
            raise KeyboardInterrupt
        assert "--batch=64" in measurement.arguments
        return {"batches": {"64": {"float32": record()}}}

    monkeypatch.setattr(gpu, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        call_script(
            gpu, "--model=m", "--batch=64", "--minutes=2", f"--output={tmp_path}"
        )
    assert 100 < left[1] <= left[0] <= 120
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert list(written["records"]) == ["tf32"]
    assert "training_bfloat16" in capsys.readouterr().out


def test_tables_name_what_is_missing():
    records = {
        "tf32": {"batches": {"8": {"float32": record()}}},
        "training": {
            "stages": {
                "parts bf16": {
                    "photos_per_second": 900.0,
                    "of_ceiling": 3.0,
                    "first_step_s": 20.4,
                }
            }
        },
        "late": {"missing": "the time was over"},
    }
    text = gpu.format_records(json.loads(json.dumps(records)))
    assert "| tf32 | 8 | float32 | 2.00 | 1.50 |" in text
    assert "| parts bf16 | 900.0 | 3.0 | 20 |" in text
    assert text.endswith("Not measured: late, the time was over.")
