"""What clusters/ holds: the manifest by its schema, the scripts by running them."""

import copy
import json
import os
import pathlib
import subprocess
import sys

import pytest

from trainers.training.cluster import read_cluster

yaml = pytest.importorskip("yaml")
kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="needs kubernetes-validate: pip install -e '.[dev]'"
)
jsonschema = pytest.importorskip("jsonschema")

FOLDER = pathlib.Path(__file__).parents[2] / "clusters"
MANIFEST = yaml.safe_load((FOLDER / "jobset.yaml").read_text())

_COUNT = {"type": "integer", "minimum": 0}
_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}


def closed(required=(), **properties):
    """The schema of an object that has no other fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


# JobSet's own fields, from its API reference, v1alpha2, as far as they are used here.
# Below `template` it is a Job of Kubernetes, for which there is a schema.
JOB_SET = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "jobset.x-k8s.io/v1alpha2"},
    kind={"const": "JobSet"},
    metadata=closed(["name"], name=_NAME),
    spec=closed(
        ["replicatedJobs"],
        failurePolicy=closed(maxRestarts=_COUNT),
        network=closed(
            enableDNSHostnames={"type": "boolean"},
            subdomain=_NAME,
            publishNotReadyAddresses={"type": "boolean"},
        ),
        replicatedJobs={
            "type": "array",
            "minItems": 1,
            "items": closed(
                ["name", "template"],
                name=_NAME,
                replicas=_COUNT,
                template={"type": "object"},
            ),
        },
    ),
)


def check_manifest(manifest):
    jsonschema.validate(manifest, JOB_SET)
    for job in manifest["spec"]["replicatedJobs"]:
        resource = {"apiVersion": "batch/v1", "kind": "Job", **job["template"]}
        kubernetes_validate.validate(resource, "1.33", strict=True)


def job_of(manifest):
    return manifest["spec"]["replicatedJobs"][0]["template"]["spec"]


def test_the_job_set_keeps_to_its_schema():
    check_manifest(MANIFEST)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m["spec"].update(restarts=1),
        lambda m: m["spec"]["network"].update(subdomain="No_Name"),
        lambda m: job_of(m).update(paralelism=2),
        lambda m: job_of(m).update(completions="two"),
        lambda m: job_of(m)["template"]["spec"]["containers"][0].update(port=1),
        lambda m: job_of(m)["template"]["spec"].pop("containers"),
    ],
)
def test_the_schema_check_finds_mistakes(spoil):
    manifest = copy.deepcopy(MANIFEST)
    spoil(manifest)
    with pytest.raises(Exception, match="valid|required|properties"):
        check_manifest(manifest)


def fake(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path):
    """Stands in for Slurm's programs, and for Python, which tells how it was called."""
    fake(tmp_path, "python", 'printf "%s\\n" "$TF_CONFIG" "$*" | paste -sd" " -')
    fake(
        tmp_path,
        "scontrol",
        'if [ "$1" = show ]; then printf "node%d\\n" 1 2 3; else echo "$*"; fi',
    )
    fake(
        tmp_path,
        "srun",
        '[ -n "${FAIL:-}" ] && exit 1\nshift\n'
        'for i in 0 1 2; do SLURM_PROCID=$i "$@" || exit 1; done',
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SLURM_JOB_NODELIST": "node[1-3]"}


def told_of(line):
    """TF_CONFIG and the arguments that the stand-in for Python was given."""
    config, end = json.JSONDecoder().raw_decode(line)
    return read_cluster(json.dumps(config)), line[end:].split()


def test_the_slurm_script_starts_a_worker_a_host(tools):
    command = ["bash", FOLDER / "train.slurm", "--dataset=helen", "--run_dir=a b"]
    done = subprocess.run(command, env=tools, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for index, line in enumerate(lines):
        cluster, arguments = told_of(line)
        assert cluster.index == index
        assert cluster.addresses == ("node1:12345", "node2:12345", "node3:12345")
        assert arguments[:3] == ["-m", "trainers.train", "--strategy=multi_worker"]
        assert arguments[3:] == ["--dataset=helen", "--run_dir=a", "b"]
    assert len(lines) == 3


@pytest.mark.parametrize(("count", "again"), [("", True), ("4", True), ("5", False)])
def test_the_slurm_script_starts_again_but_not_for_ever(tools, count, again):
    env = {**tools, "FAIL": "1", "SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": count}
    command = ["bash", FOLDER / "train.slurm"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert ("requeue 7" in done.stdout) == again, done.stderr


def test_the_pods_find_one_another(tools):
    container = job_of(MANIFEST)["template"]["spec"]["containers"][0]
    env = {**tools, **{e["name"]: e["value"] for e in container["env"]}}
    for index in range(2):
        done = subprocess.run(
            [*container["command"], *container["args"]],
            env={**env, "JOB_COMPLETION_INDEX": str(index)},
            capture_output=True,
            text=True,
        )
        cluster, arguments = told_of(done.stdout)
        name = MANIFEST["metadata"]["name"]
        assert cluster.index == index and cluster.addresses == tuple(
            f"{name}-worker-0-{i}.{name}:12345" for i in range(2)
        )
        assert arguments[:3] == ["-m", "trainers.train", "--strategy=multi_worker"]
    job = job_of(MANIFEST)
    workers = int(next(e["value"] for e in container["env"] if e["name"] == "WORKERS"))
    assert job["parallelism"] == job["completions"] == workers
    network = MANIFEST["spec"]["network"]
    assert network["subdomain"] == MANIFEST["metadata"]["name"]


def test_the_flags_of_the_manifest_are_the_scripts():
    container = job_of(MANIFEST)["template"]["spec"]["containers"][0]
    flags = [w for w in container["args"][0].split() if w.startswith("--")]
    code = "import sys; from absl import flags; from trainers import train; "
    code += "train.define_flags(); flags.FLAGS(sys.argv)"
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
