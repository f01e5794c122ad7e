"""Machine perceptual quality: what models make of decoded signals, against the bytes of their files.

In reading order: `protocol` (a task: signals, labels, judgements; it knows no codec; and a metric), `option_values`
(several values of an option), `operating_points` (texts -> codecs), `judging` (what code of others says, checked),
`measurement` (one sample through one codec; the only place that encodes and counts), `cache` (what was decoded), `rows`
(its results on disk), `row_merging`, `metrics` (by name; their classes in `metric_kinds`, `lpips` by a file of the
user's own), `evaluation` (`evaluate`: all of them, in processes, resumable), `intervals` and `summary` (paired
bootstrap, "not resolved"), `sample_values` (rows as arrays), `pchip` and `bd` (BD-rate and BD-score), `correlations`,
`gallery` (samples whose answer changes), `report`, `report_tables`, `page`, `page_style`, `chart` (Markdown and HTML),
`parquet`. `compressed_training` and its `_table`: networks trained on what codecs kept. The tasks: `imagenet`,
`cifar10`, `segmentation`, `reading`, `detection` (finds the lines that `reading` reads), `tagging`, `speech`,
`keywords`, `speaker`, `speech_quality`, `head`, `own_model` (with `model_card`), by name in `catalog`; `litert`,
`onnx_models`, `torch_models`, `packaged_models`, `pictures`, `sounds`, `mel` are what they share.

    tasks = make_tasks(["imagenet"], data, models)
    points = operating_points(["jpeg:quality=10|50", "lcn"])
    metrics = make_metrics(["psnr"], models)
    rows = evaluate(tasks, points, folder / "rows.jsonl", metrics=metrics, num_workers=2)
    write_report([summarize(task, points, rows, metrics=metrics) for task in tasks], folder)

A task of your own is any value with the members of `Task`; by an entry point of the group "laconic.tasks" the command
finds it (`catalog`). A metric likewise has the members of `Metric` and the group "laconic.metrics".
"""

from laconic.tasks.mpq.bd import BdEntry, bd_table
from laconic.tasks.mpq.catalog import make_tasks
from laconic.tasks.mpq.evaluation import evaluate
from laconic.tasks.mpq.metrics import make_metrics
from laconic.tasks.mpq.operating_points import OperatingPoint, operating_points
from laconic.tasks.mpq.protocol import Judgement, Metric, Task, TaskSample
from laconic.tasks.mpq.report import write_report
from laconic.tasks.mpq.rows import Row, StaleRowsError
from laconic.tasks.mpq.summary import Summary, TaskSummary, summarize

__all__ = [
    "BdEntry",
    "Judgement",
    "Metric",
    "OperatingPoint",
    "Row",
    "TaskSample",
    "StaleRowsError",
    "Summary",
    "Task",
    "TaskSummary",
    "bd_table",
    "evaluate",
    "make_metrics",
    "make_tasks",
    "operating_points",
    "summarize",
    "write_report",
]
