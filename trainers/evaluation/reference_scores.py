"""Reference scores: tables 2 to 4 of the paper, and what others reached. Data only.

Cells are F1 scores as they were printed: `-` is not known, and `?` marks a number
that could not be verified.
"""

import dataclasses

from stn_icnn_tf.class_sets import EIGHT_PARTS

# The columns of the paper's tables but skin, which has no class here.
COLUMNS = (*dict(EIGHT_PARTS.columns), "overall")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        method: name of the method.
        cells: one text a column of `COLUMNS`, apart by spaces.
        note: what the reader has to know about it, or nothing.
    """

    method: str
    cells: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of the paper.

    Attributes:
        number: its number in the paper.
        title: its title.
        dataset: name of the data set, as TFDS knows it here.
        rows: its lines.
        note: what the reader has to know about all of it, or nothing.
    """

    number: int
    title: str
    dataset: str
    rows: tuple[Row, ...]
    note: str = ""


_ZHOU = Row(
    "iCNN, Zhou et al. 2015",
    "0.778 0.863? 0.920 0.777 0.824? 0.808 0.889 0.845",
    "the paper prints this row with two cells missing, so that cells may be shifted; "
    "those with ? are unverified",
)
_ICNN = Row("iCNN, the paper's own", "0.863 0.790 0.936 0.812 0.772 0.830 0.908 0.865")
_STN_ICNN = Row(
    "STN-iCNN, joint",
    "- - - - - - - 0.90",
    "mean of 10 runs, and 0.91 once, by its authors' notes",
)
_NOT_JOINT = "without joint training"
_RELABELLED = "on relabelled HELEN"
_OVERALL = "- - - - - - - "

TABLES = (
    Table(
        2,
        "Comparison with the baseline model on HELEN",
        "helen",
        (
            _ZHOU,
            _ICNN,
            Row(
                "STN-iCNN*",
                "0.891 0.845 0.956 0.853 0.792 0.834 0.920 0.893",
                _NOT_JOINT,
            ),
            _STN_ICNN,
            Row("STN-iCNN, coarse net alone", _OVERALL + "0.857", "its authors' notes"),
            Row(
                "STN-iCNN, ground-truth crops",
                _OVERALL + "0.910",
                "its authors' notes",
            ),
        ),
    ),
    Table(
        3,
        "Comparison with the baseline model on CelebAMask-HQ",
        "celeb_a_mask_hq",
        (
            Row(
                "iCNN, the paper's own",
                "0.883 0.848 0.910 0.896 0.712 0.763 0.849 0.879",
            ),
            Row("STN-iCNN*", _OVERALL + "0.915", _NOT_JOINT),
            Row(
                "FaRL-B",
                "- - 0.942 0.928 0.902 0.914 - -",
                "512 x 512, pretrained on 20 M faces; left and right apart: eyes "
                "0.907 and 0.906, brows 0.870 and 0.871",
            ),
        ),
        "Mean F1 of the eight parts, our mean_f1: FaRL-B 0.905, SegFace Swin-B 0.907, "
        "EAGRNet 0.897, DML-CSR 0.895.",
    ),
    Table(
        4,
        "Comparison with other methods on HELEN",
        "helen",
        (
            Row("Smith et al. 2013", "0.785 0.722 0.922 0.713 0.651 0.700 0.857 0.804"),
            _ZHOU,
            Row("Liu et al. 2015", "0.768 0.713 0.909 0.808 0.623 0.694 0.841 0.847"),
            Row("Liu et al. 2017", "0.868 0.770 0.930 0.792 0.743 0.817 0.891 0.886"),
            Row("Wei et al. 2017", "0.847 0.786 0.937 - - - 0.915 0.902"),
            Row("EHANet", _OVERALL + "0.907"),
            Row("RoI tanh-warping", _OVERALL + "0.924", _RELABELLED),
            Row("EAGRNet", _OVERALL + "0.932", _RELABELLED),
            Row("DML-CSR", _OVERALL + "0.938", _RELABELLED),
            _ICNN,
            _STN_ICNN,
        ),
    ),
)
