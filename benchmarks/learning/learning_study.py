"""What makes latents learn: one thing at a time otherwise than usual, on the classes of clothing10, and some of it on the
maps of CamVid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from learning_data import DATA
from learning_jobs import Job

SEEDS = 3
USUAL = "shift=2,flip=0.5,brightness=0.1,contrast=0.2,saturation=0.3,hue=0.02"
MIXED = {"qualities": "10 30 60 90"}
ONE_GRID = "study_networks:residual_on_one_grid"
# Variant -> (packing, options of the command).
VARIANTS: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]] = {
    "": ({}, {}),
    **{f"channels {count}": ({}, {"channels": count}) for count in (3, 48, 192)},
    "scaling channel": ({}, {"scaling": "channel"}),
    "scaling none": ({}, {"scaling": "none"}),
    **{f"quality {value}": ({"quality": value}, {}) for value in (10, 30, 90)},
    "qualities 10 to 90": (MIXED, {}),
    **{f"tune {name}": ({"tune": name}, {}) for name in ("psnr", "machine")},
    "profile small": ({"profile": "small"}, {}),
    "profile best": ({"profile": "best"}, {}),
    "augmentation none": ({}, {"augment": "none"}),
    "augmentation flip": ({}, {"augment": "flip=0.5"}),
    "augmentation shift": ({}, {"augment": "shift=2"}),
    "augmentation shift and flip": ({}, {"augment": "shift=2,flip=0.5"}),
    **{
        f"augmentation and {more}": ({}, {"augment": f"{USUAL},{more}"})
        for more in ("half=0.5,crop=16", "crop=28", "erase=0.25")
    },
    "mixup": ({}, {"option": "mixup=0.2"}),
    "body residual": ({}, {"option": "body=residual"}),
    "body residual, channels 48": ({}, {"option": "body=residual", "channels": 48}),
    "body residual, channels 48 on one grid": ({}, {"network": ONE_GRID, "channels": 48}),
    "twice the epochs": ({}, {"epochs": 80}),
    **{
        f"{round(100 * share)} % of places, by {by}": ({}, {"option": [f"keep={share}", f"keep_by={by}"]})
        for share in (0.5, 0.25, 0.12)
        for by in ("bits", "lot")
    },
}

# More of what is there, in channels and in steps, which maps may need sooner than classes do.
ON_MAPS = ("", "channels 192", "quality 90")
PRETRAINING_EPOCHS = 60


def study_jobs() -> Iterator[Job]:
    """Three seeds, all folds; the first seed of all variants comes first."""
    for seed in range(SEEDS):
        for variant, (packing, options) in VARIANTS.items():
            for fold in range(DATA["clothing10"].folds):
                yield Job("classify", "clothing10", "latents", seed, fold, variant, packing, options)
        for fold in range(DATA["clothing10"].folds):
            usual = Job("classify", "clothing10", "latents", seed, fold)
            yield replace(usual, variant="pretrained without labels", pretraining=PRETRAINING_EPOCHS)
        for variant in ON_MAPS:
            packing, options = VARIANTS[variant]
            for fold in range(DATA["camvid"].folds):
                yield Job("segment", "camvid", "latents", seed, fold, variant, packing, options)
