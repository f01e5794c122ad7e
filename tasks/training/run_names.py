"""The names of a run's files, for those who read them without torch; `runs` says what is in them."""

from typing import Final

OPTIONS_NAME: Final = "options.json"
FIRST_NAME: Final = "first.safetensors"
LAST_NAME: Final = "last.safetensors"
CURVE_NAME: Final = "curve.jsonl"
BEST_NAME: Final = "best.safetensors"
RESULT_NAME: Final = "result.json"
WEIGHTS_NAME: Final = "result.safetensors"
JUDGED_NAME: Final = "judged.safetensors"
PLOT_NAME: Final = "plot.svg"
