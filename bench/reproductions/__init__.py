"""Tables and figures of papers, measured again and compared with the published numbers.

A paper's table is a function that returns a `Reproduction`, registered with a decorator::

    @robobench.reproduction("doe-table1", paper="Doe 2031")
    def table1():
        "Table 1: accuracy on blurred images."
        return Reproduction(
            title="Table 1. Accuracy on blurred images",
            dataset="cifar10",
            run_folder="doe-2031",
            columns=(Column("defocus", "defocus_blur"), Column("motion", "motion_blur")),
            rows=(Row("org", "Baseline", (0.61, 0.58)), Row("afd", "Ours", (0.70, 0.66))),
        )
"""

from robobench.reproductions.published import Column, Gain, Reproduction, Row, find_reproduction

__all__ = ["Column", "Gain", "Reproduction", "Row", "find_reproduction"]
