"""The trainings that docs/repair-recipes.md compares: one change of a standard recipe at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from robobench.backbones.backbone import Backbone
from robobench.training.recipes import recipe_named
from robobench.types import Recipe

JPEG = "jpeg_compression"


@dataclass(frozen=True)
class Variant:
    """One change of a method's standard recipe.

    Attributes:
        name: What is changed.
        method: Registered name.
        images: How many photographs.
        recipe: Name of the recipe that is changed.
        fields: Changed fields of the recipe.
        options: Changed options of the recipe.
        more: Whether the photographs of ``--more`` are added.
    """

    name: str
    method: str = "afd"
    images: int = 100
    recipe: str = "standard"
    fields: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    more: bool = False

    def changed(self, backbone: Backbone) -> Recipe:
        """The recipe."""
        recipe = recipe_named(self.method, backbone, self.recipe)
        return replace(recipe, **self.fields).with_options(**self.options)


# The module learns four times as fast, the stages at two fifths of their rate.
FASTER_MODULE: Mapping[str, Any] = {"rate": 2e-3}
SLOW_STAGES: Mapping[str, Any] = {"speed": 0.02}
# The mean of four ends of cycles.
AVERAGED: Mapping[str, Any] = {
    "restarts": ((1000, 5e-4), (1200, 5e-4), (1400, 5e-4)), "averaged": 4, "keep": "last",
}  # fmt: skip
ONE_SET: Mapping[str, Any] = {"levelled": False}
PLAIN: Mapping[str, Any] = {"recolour": 0.0, "scenes": 0.0, "collage": 0.0}
VARIANTS = (
    Variant("standard"),
    Variant("10 photographs", images=10),
    Variant("ddp", "ddp"),
    Variant("ddp, 10 photographs", "ddp", 10),
    Variant("dedrift", "dedrift"),
    Variant("dedrift, 10 photographs", "dedrift", 10),
    Variant("finetune", "finetune"),
    Variant("finetune, 10 photographs", "finetune", 10),
    # Images.
    Variant("photographs as they are", options=PLAIN),
    Variant("photographs as they are, 10 photographs", images=10, options=PLAIN),
    Variant("more new colours", options={"recolour": 0.9, "scenes": 0.2}),
    Variant("no new colours", options={"recolour": 0.0}),
    Variant("no scenes", options={"scenes": 0.0}),
    Variant("no collages", options={"collage": 0.0}),
    Variant("more photographs", more=True),
    Variant("crops at many scales", options={"smallest": 0.75}),
    Variant("crops of 160", options={"crop": 160, "smallest": 1.2}),
    # Degradation.
    Variant("qualities 5 to 80", options={"ranges": {JPEG: (5, 80)}}),
    Variant("qualities uniform", options={"logarithmic": False}),
    Variant("clean tenth", options={"clean_share": 0.1}),
    # Loss.
    Variant("paper's loss", recipe="paper"),
    Variant("stem added", options={"stem": 1.0}),
    Variant("no divergence", options={"distillation": 0.0}),
    Variant("divergence 1", options={"distillation": 1.0}),
    Variant("divergence only", options={"stages": 0.0, "distillation": 1.0}),
    # Length and rate.
    Variant("400 steps", fields={"steps": 400}),
    Variant("4000 steps", fields={"steps": 4000}),
    Variant("batches of 16", fields={"batch": 16}),
    Variant("rate 2e-4", fields={"rate": 2e-4}),
    Variant("rate 2e-3", fields={"rate": 2e-3}),
    Variant("rate 2e-3, 10 photographs", images=10, fields={"rate": 2e-3}),
    Variant("rate 5e-3, 10 photographs", images=10, fields={"rate": 5e-3}),
    Variant("weights averaged, 10 photographs", images=10, fields=AVERAGED),
    Variant("ddp, rate 2e-3", "ddp", fields={"rate": 2e-3}),
    Variant("ddp, rate 2e-3, 10 photographs", "ddp", 10, fields={"rate": 2e-3}),
    # What `dedrift` is made of.
    Variant("dedrift, photographs as they are", "dedrift", options=PLAIN),
    Variant("dedrift, no module", "dedrift", options={"module": False}),
    Variant("dedrift, no module, 10 photographs", "dedrift", 10, options={"module": False}),
    Variant("dedrift, one stage", "dedrift", options={"depth": 1}),
    Variant("dedrift, three stages", "dedrift", options={"depth": 3}),
    Variant("dedrift, stages faster", "dedrift", options={"speed": 0.6}),
    Variant("dedrift, stages slower", "dedrift", options={"speed": 0.07}),
    Variant("dedrift, stages slower, 10 photographs", "dedrift", 10, options={"speed": 0.07}),
    Variant("dedrift, module faster", "dedrift", fields=FASTER_MODULE, options=SLOW_STAGES),
    Variant(
        "dedrift, module faster, 10 photographs",
        "dedrift", 10, fields=FASTER_MODULE, options=SLOW_STAGES,
    ),
    Variant(
        "dedrift, stages slower, weights averaged, 10 photographs",
        "dedrift", 10, fields=AVERAGED, options={"speed": 0.07},
    ),
    Variant("dedrift, one set of weights", "dedrift", options=ONE_SET),
    Variant("dedrift, one set of weights, 10 photographs", "dedrift", 10, options=ONE_SET),
    Variant(
        "dedrift, one set of weights, stages slower, 10 photographs",
        "dedrift", 10, options={**ONE_SET, "speed": 0.07},
    ),
    Variant("dedrift, batches of 16", "dedrift", fields={"batch": 16}),
    Variant("dedrift, 4000 steps", "dedrift", fields={"steps": 4000}),
)  # fmt: skip
