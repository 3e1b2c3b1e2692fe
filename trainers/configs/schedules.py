"""Named schedules: the stages of whole runs, each with the command that runs it."""

import dataclasses
from typing import Any

from stn_icnn_tf.data.augment import AUGMENTATIONS
from trainers.configs.overrides import can_override, read_value
from trainers.configs.stages import NETWORKS, STAGE_NAMES, Jitter, Stage

# The paper's augmentation of part patches: brows and eyes, then nose and mouth.
PART_JITTER = (Jitter(0.3, (1.0, 1.5)),) * 4 + (Jitter(0.1, (0.8, 1.0)),) * 2


def _schedule(
    epochs: tuple[int, int, int, int],
    rates: tuple[float, float, float] = (2.3e-3, 1.7e-3, 8e-4),
    joint_rates: tuple[float, float, float] = (5e-4, 5e-4, 1e-3),
    joint_jitter: float = 0.0,
    finding: dict[str, Any] | None = None,
    labelling: dict[str, Any] | None = None,
    **kwargs: Any,
) -> tuple[Stage, ...]:
    """Makes the four stages.

    Args:
        epochs: of each stage.
        rates: of coarse, localization, parts, each trained alone.
        joint_rates: of the three, trained together.
        joint_jitter: of the windows that the localization network then places.
        finding: fields of `coarse` and `localization`, which find the face, that
            differ from `kwargs`.
        labelling: the same of `parts` and `end_to_end`, which label its parts.
        **kwargs: fields of all stages.
    """
    singles = zip(STAGE_NAMES, NETWORKS, epochs, rates, strict=False)
    stages = [
        Stage(name, count, **{**kwargs, f"{network}_rate": rate})
        for name, network, count, rate in singles
    ]
    joint: dict[str, Any] = {
        f"{n}_rate": r for n, r in zip(NETWORKS, joint_rates, strict=True)
    }
    joint["jitter"] = joint_jitter
    stages.append(Stage("end_to_end", epochs[3], **{**kwargs, **joint}))
    differing = (finding or {},) * 2 + (labelling or {},) * 2
    return tuple(
        dataclasses.replace(stage, **fields)
        for stage, fields in zip(stages, differing, strict=True)
    )


_OURS: dict[str, Any] = {
    # Four epochs of `parts` give what ten gave with Adam, three of `coarse` nearly
    # what twelve did (HELEN, docs/results.md).
    "optimizer": "muon",
    "rates": (6e-3, 3e-3, 6e-3),
    "joint_rates": (1e-3, 5e-4, 2e-3),
    "decay": "cosine",
    "jitter": 0.1,
    # Ten did not hold the windows: their centres went from 5.6 to 9 px off (HELEN).
    "theta_weight": 100.0,
    "augmentation": AUGMENTATIONS["ours"],
    # Faces far off and tilted are for the networks that find them: what the part
    # nets see is cropped to size. In the joint stage this cost what it gained.
    "finding": {"augmentation": AUGMENTATIONS["wide"]},
}

_LABELLING: dict[str, Any] = {
    # Twice the steps a photo. After three epochs from nothing on HELEN, the part nets
    # have 0.893 instead of 0.889 (`overall`, validation). An epoch takes a fifth
    # longer.
    "batch_size": 4,
    "augmentation": AUGMENTATIONS["mild"],
    # What comes back from theta drowns the coarse net's own loss at 0.3.
    "coarse_weight": 3.0,
}

# The rates, batches and epochs that the paper prints (Table 1). It prints neither
# the joint rates nor those on CelebAMask-HQ: the first are ours, as is the theta
# loss that holds the windows; the second are taken to be those on HELEN.
_PAPER: dict[str, Any] = {"dice_weight": 0.0, "jitter": PART_JITTER}

# Demo: drawn faces on two cores.
#   Run time: some 9 minutes with drawing and scoring, nothing else running.
#   Expected `overall` on test: 0.87 to 0.89.
#   python -m trainers.train --schedule=demo --dataset=synthetic_faces \
#     --train_split='train[:320]' --precision=mixed_bfloat16 --run_dir=runs/demo
# With the `wide` augmentation the first stages learn slower: so few epochs are too few.
# The coarse net starts late with some seeds: after five epochs seed 0 has 0.82 on
# validation, seed 1 0.69; after ten, the seeds 1 and 2 have 0.82 or more.
DEMO = _schedule((10, 4, 2, 1), **{**_OURS, "jitter": 0.15, "finding": {}})

# CelebAMask-HQ on two cores, 2,000 photos: `make celebamask_hq`.
#   Run time: 134 minutes, run in parts: the part nets two by two, a process and a core
#   each, then the joint stage on one core. Expected `overall` on test: 0.926.
# The rate of the part nets falls once: 8 part, 3 joint, 11 part and 2 joint epochs, a
# fall each, gave less (docs/results.md).
#   python -m trainers.train --schedule=celebamask_hq_cpu --preset=celebamask_hq \
#     --dataset=celeb_a_mask_hq --precision=mixed_bfloat16 --run_dir=runs/celebamask_hq
CELEBAMASK_HQ_CPU = _schedule(
    (5, 3, 20, 3),
    labelling=_LABELLING,
    joint_jitter=0.1,
    **{**_OURS, "rates": (6e-3, 3e-3, 5e-3)},
)

# HELEN on two cores, 870 photos, from the model of CelebAMask-HQ: `make helen`.
#   Run time: an hour on one core, the other busy. Expected `overall` on test: 0.916 to
#   0.918 of three seeds; 0.917 of the mean of their weights, which ships.
#   python -m trainers.train --schedule=helen_cpu --preset=helen \
#     --init_from=celebamask_hq --dataset=helen --precision=mixed_bfloat16 \
#     --run_dir=runs/helen
HELEN_CPU = _schedule(
    (2, 4, 8, 4),
    labelling={**_LABELLING, "augmentation": AUGMENTATIONS["mild_blurred"]},
    joint_jitter=0.1,
    **{
        **_OURS,
        "rates": (3e-3, 3e-3, 4e-3),
        "joint_rates": (5e-4, 2.5e-4, 1.5e-3),
    },
)

# Whole heads on two cores, from the model of CelebAMask-HQ, whose localization network
# it takes over: `make head`.
#   Run time: not run as a whole; its part stage some three hours on one core. Expected
#   `overall` of the eight parts on test: 0.927, mean F1 of the 18 classes 0.83.
#   python -m trainers.train --schedule=head_cpu --preset=head \
#     --init_from=celebamask_hq --dataset=celeb_a_mask_hq/all --mix=helen=0.15 \
#     --precision=mixed_bfloat16 --run_dir=runs/head
HEAD_CPU = _schedule(
    (20, 1, 11, 1),
    labelling={**_LABELLING, "augmentation": AUGMENTATIONS["mild_blurred"]},
    joint_jitter=0.1,
    **{
        **_OURS,
        "rates": (6e-3, 3e-3, 6e-3),
        "joint_rates": (5e-4, 2.5e-4, 1.5e-3),
        "finding": {
            "batch_size": 16,
            "augmentation": AUGMENTATIONS["head"],
            "repeat_threshold": 0.3,
        },
    },
)

# A data set of some thousand photos on two cores, from nothing.
#   Run time: 80 minutes for 870 photos on one core, the other busy. Expected
#   `overall` on HELEN's test: 0.90 (measured with the wide augmentation in the joint
#   stage alone, and without the Dice loss of the part nets).
#   python -m trainers.train --schedule=cpu --dataset=helen \
#     --precision=mixed_bfloat16 --run_dir=runs/helen
CPU = _schedule((8, 5, 10, 5), **_OURS)


def _apart(joint: Stage) -> tuple[Stage, ...]:
    """Makes of a joint stage what it is to be compared with.

    Each network goes on alone, for the same steps at the same rate, on photos
    augmented alike.
    """
    stages = []
    for name, network in zip(STAGE_NAMES, NETWORKS, strict=False):
        still: dict[str, Any] = {f"{n}_rate": 0.0 for n in NETWORKS if n != network}
        stages.append(dataclasses.replace(joint, name=name, **still))
    return tuple(stages)


# Is joint training worth it? The schedule `helen_cpu` as far as the part nets, then
# its last stage, once as it is and once without joining the networks.
#   python -m trainers.train --schedule=helen_cpu --set=end_to_end.epochs=0 \
#     --preset=helen --init_from=celebamask_hq --dataset=helen \
#     --precision=mixed_bfloat16 --run_dir=runs/helen_base
#   python -m trainers.train --schedule=helen_cpu --stage=end_to_end --preset=helen \
#     --init_from=runs/helen_base --dataset=helen --precision=mixed_bfloat16 \
#     --run_dir=runs/helen_joint
#   python -m trainers.train --schedule=helen_cpu_apart --preset=helen \
#     --init_from=runs/helen_base --dataset=helen --precision=mixed_bfloat16 \
#     --run_dir=runs/helen_apart
HELEN_CPU_APART = _apart(HELEN_CPU[-1])

# Sections 3.1 and 3.2: HELEN on one GPU, five variants a photo.
#   Run time: not measured; the paper's, without a stage `parts`, 0.5 + 2.2 hours on
#   a GTX 1080 Ti. Expected `overall`: not measured; the authors' 0.90 to 0.91.
#   python -m trainers.train --schedule=helen_paper --preset=paper --dataset=helen \
#     --run_dir=runs/helen_paper
HELEN_PAPER = _schedule(
    (25, 25, 25, 25), batch_size=32, augmentation=AUGMENTATIONS["helen"], **_PAPER
)

# Section 3.5: CelebAMask-HQ on four GPUs.
#   Run time: not measured; the paper's 1.6 + 10.2 hours on four GTX 1080 Ti.
#   Expected `overall`: not measured; the paper's 0.915 before end-to-end training.
#   python -m trainers.train --schedule=celebamask_hq_paper --preset=paper \
#     --set_model=patch_size=127 --dataset=celeb_a_mask_hq \
#     --run_dir=runs/celebamask_hq_paper
CELEBAMASK_HQ_PAPER = _schedule(
    (25, 25, 25, 25),
    batch_size=64,
    augmentation=AUGMENTATIONS["celebamask_hq"],
    **_PAPER,
)

# Section 3.1, the hybrid strategy: a model trained on HELEN, fine-tuned end to end
# on 2,000 photos of CelebAMask-HQ on one GPU. The paper's 2.1 hours are those of
# its 25 joint epochs on the 2,000 photos of HELEN, so it is taken to be the same.
#   Run time: not measured; the paper's 2.1 hours on a GTX 1080 Ti.
#   Expected `overall`: not measured; the paper: similar to training on all photos.
#   python -m trainers.train --schedule=hybrid --preset=paper \
#     --set_model=patch_size=127 --init_from=runs/helen_paper \
#     --dataset=celeb_a_mask_hq --train_split='train[:2000]' \
#     --validation_split='validation[:200]' --run_dir=runs/hybrid
HYBRID = (
    dataclasses.replace(HELEN_PAPER[-1], augmentation=AUGMENTATIONS["celebamask_hq"]),
)

SCHEDULES = {
    "cpu": CPU,
    "celebamask_hq_cpu": CELEBAMASK_HQ_CPU,
    "helen_cpu": HELEN_CPU,
    "helen_cpu_apart": HELEN_CPU_APART,
    "head_cpu": HEAD_CPU,
    "demo": DEMO,
    "helen_paper": HELEN_PAPER,
    "celebamask_hq_paper": CELEBAMASK_HQ_PAPER,
    "hybrid": HYBRID,
}


def get_schedule(name: str, overrides: tuple[str, ...] = ()) -> tuple[Stage, ...]:
    """Returns the stages of a named schedule, with some fields replaced.

    Args:
        name: one of `SCHEDULES`.
        overrides: `STAGE.FIELD=VALUE` each, e.g. `parts.epochs=3`; the stage may
            be `all`. An augmentation is given by its name in `AUGMENTATIONS`.

    Raises:
        ValueError: if a name or an override is none of these.
    """
    if name not in SCHEDULES:
        raise ValueError(
            f"Argument `name` must be one of {tuple(SCHEDULES)}. Received: name={name}"
        )
    stages = {stage.name: stage for stage in SCHEDULES[name]}
    fields = {
        field.name: field.type
        for field in dataclasses.fields(Stage)
        if can_override(field.type) and field.name != "name"
    }
    for override in overrides:
        target, _, text = override.partition("=")
        stage_name, _, field = target.partition(".")
        if stage_name not in (*stages, "all") or field not in fields or not text:
            raise ValueError(
                "An override must read STAGE.FIELD=VALUE, with STAGE one of "
                f"{(*stages, 'all')} and FIELD one of {tuple(fields)}. "
                f"Received: {override}"
            )
        value = read_value(override, field, fields[field], text)
        for key in stages if stage_name == "all" else (stage_name,):
            stages[key] = dataclasses.replace(stages[key], **{field: value})
    return tuple(stages.values())


def choose_stages(stages: tuple[Stage, ...], stage: str) -> tuple[Stage, ...]:
    """Returns one stage of a schedule, or with `"all"` every one.

    Raises:
        ValueError: if the schedule has no such stage.
    """
    chosen = tuple(s for s in stages if stage in ("all", s.name))
    if not chosen:
        raise ValueError(
            "Argument `stage` must be all, or one of the schedule's "
            f"{tuple(s.name for s in stages)}. Received: stage={stage}"
        )
    return chosen
