"""influence_nb: JupyterLab as a workbench for language models on your own machine.

    import influence_nb as inb

    model = inb.load()                      # the starter chat model
    print(model.generate("Why is the sky blue?").text)
    inb.Workbench()                         # every panel, over the same loaded model

This module knows only which module each public name lives in; importing it loads neither torch nor
transformers nor a widget.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from influence_nb.lazy import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from influence_nb import errors, widgets
    from influence_nb.api import (
        download,
        fit,
        library,
        load,
        load_encoder,
        loaded,
        plan,
        search,
        sweep,
        sweep_notebook,
        tokenizer,
    )
    from influence_nb.embeddings.bulk import encode_bulk
    from influence_nb.embeddings.cache import clear_vector_cache
    from influence_nb.embeddings.clusters import Clusters
    from influence_nb.embeddings.compare import MapComparison, compare_maps
    from influence_nb.embeddings.encode import Encoder
    from influence_nb.embeddings.endpoint import EndpointEncoder
    from influence_nb.embeddings.layers import LayerSimilarity, layer_similarity
    from influence_nb.embeddings.map import EmbeddingMap
    from influence_nb.embeddings.quality import Quality
    from influence_nb.embeddings.reading import iter_texts, read_texts
    from influence_nb.embeddings.retrieval import Retrieval, retrieval
    from influence_nb.embeddings.similarity import Similarity, similarity
    from influence_nb.embeddings.text_encoder import Encoded
    from influence_nb.embeddings.token_vectors import TokenVectors, token_vectors
    from influence_nb.engine.batch import BatchProgress
    from influence_nb.engine.bench import BenchProgress, bench
    from influence_nb.engine.benched import Bench
    from influence_nb.engine.completion import Completion, TokenEvent
    from influence_nb.engine.grid import Cell, Grid
    from influence_nb.engine.likelihood import Likelihood
    from influence_nb.engine.model import Model
    from influence_nb.engine.receipts import Receipt
    from influence_nb.engine.replay import Replay
    from influence_nb.engine.sampling import Sampling
    from influence_nb.engine.score import TokenScores
    from influence_nb.engine.session import Session
    from influence_nb.engine.token_comparison import TokenComparison
    from influence_nb.engine.token_costs import TokenCosts
    from influence_nb.engine.tokenizer import Tokenizer
    from influence_nb.engine.tokens import Token, Tokens
    from influence_nb.engine.tree import Node, TokenTree
    from influence_nb.engine.what_if import WhatIf
    from influence_nb.engine.xray import Xray
    from influence_nb.errors import InfluenceError
    from influence_nb.evaluation.audit import Audit, Repeat, audit, repeat
    from influence_nb.evaluation.compare import Comparison, compare_runs
    from influence_nb.evaluation.diversity import diversity
    from influence_nb.evaluation.exports import import_run
    from influence_nb.evaluation.facts import FactDifference, fact_differences, first_difference
    from influence_nb.evaluation.harness import lm_eval_model
    from influence_nb.evaluation.heat import heat_map
    from influence_nb.evaluation.intervals import Metric
    from influence_nb.evaluation.judges import Judge, SemanticSimilarity
    from influence_nb.evaluation.notebooks import run_notebook
    from influence_nb.evaluation.record import record
    from influence_nb.evaluation.retrieves import Retrieves
    from influence_nb.evaluation.run import Result, evaluate
    from influence_nb.evaluation.run_picture import plot_runs
    from influence_nb.evaluation.runs import Run, runs
    from influence_nb.evaluation.scorers import ExactMatch, Matches, MultipleChoice, Perplexity
    from influence_nb.evaluation.sweep import Sweep
    from influence_nb.evaluation.tasks import Task
    from influence_nb.hub.hits import ModelHit
    from influence_nb.hub.plan import DownloadPlan
    from influence_nb.hub.progress import Progress
    from influence_nb.hub.results import SearchResults
    from influence_nb.memory.report import FitReport
    from influence_nb.server import Server, serve
    from influence_nb.store.library import Library
    from influence_nb.store.models import LocalModel
    from influence_nb.widgets.workbench import Workbench

_HOMES = {
    "Audit": "evaluation.audit",
    "BatchProgress": "engine.batch",
    "Bench": "engine.benched",
    "BenchProgress": "engine.bench",
    "Cell": "engine.grid",
    "Clusters": "embeddings.clusters",
    "Comparison": "evaluation.compare",
    "Completion": "engine.completion",
    "DownloadPlan": "hub.plan",
    "EmbeddingMap": "embeddings.map",
    "Encoded": "embeddings.text_encoder",
    "Encoder": "embeddings.encode",
    "EndpointEncoder": "embeddings.endpoint",
    "ExactMatch": "evaluation.scorers",
    "FactDifference": "evaluation.facts",
    "FitReport": "memory.report",
    "Grid": "engine.grid",
    "InfluenceError": "errors",
    "Judge": "evaluation.judges",
    "LayerSimilarity": "embeddings.layers",
    "Library": "store.library",
    "Likelihood": "engine.likelihood",
    "LocalModel": "store.models",
    "MapComparison": "embeddings.compare",
    "Matches": "evaluation.scorers",
    "Metric": "evaluation.intervals",
    "Model": "engine.model",
    "ModelHit": "hub.hits",
    "MultipleChoice": "evaluation.scorers",
    "Node": "engine.tree",
    "Perplexity": "evaluation.scorers",
    "Progress": "hub.progress",
    "Quality": "embeddings.quality",
    "Receipt": "engine.receipts",
    "Repeat": "evaluation.audit",
    "Replay": "engine.replay",
    "Result": "evaluation.run",
    "Retrieval": "embeddings.retrieval",
    "Retrieves": "evaluation.retrieves",
    "Run": "evaluation.runs",
    "Sampling": "engine.sampling",
    "SearchResults": "hub.results",
    "SemanticSimilarity": "evaluation.judges",
    "Server": "server",
    "Session": "engine.session",
    "Similarity": "embeddings.similarity",
    "Sweep": "evaluation.sweep",
    "Task": "evaluation.tasks",
    "Token": "engine.tokens",
    "TokenComparison": "engine.token_comparison",
    "TokenCosts": "engine.token_costs",
    "TokenEvent": "engine.completion",
    "TokenScores": "engine.score",
    "TokenTree": "engine.tree",
    "TokenVectors": "embeddings.token_vectors",
    "Tokenizer": "engine.tokenizer",
    "Tokens": "engine.tokens",
    "WhatIf": "engine.what_if",
    "Workbench": "widgets.workbench",
    "Xray": "engine.xray",
    "audit": "evaluation.audit",
    "bench": "engine.bench",
    "clear_vector_cache": "embeddings.cache",
    "compare_maps": "embeddings.compare",
    "compare_runs": "evaluation.compare",
    "diversity": "evaluation.diversity",
    "download": "api",
    "encode_bulk": "embeddings.bulk",
    "evaluate": "evaluation.run",
    "fact_differences": "evaluation.facts",
    "first_difference": "evaluation.facts",
    "fit": "api",
    "heat_map": "evaluation.heat",
    "import_run": "evaluation.exports",
    "iter_texts": "embeddings.reading",
    "layer_similarity": "embeddings.layers",
    "library": "api",
    "lm_eval_model": "evaluation.harness",
    "load": "api",
    "load_encoder": "api",
    "loaded": "api",
    "plan": "api",
    "plot_runs": "evaluation.run_picture",
    "read_texts": "embeddings.reading",
    "record": "evaluation.record",
    "repeat": "evaluation.audit",
    "retrieval": "embeddings.retrieval",
    "run_notebook": "evaluation.notebooks",
    "runs": "evaluation.runs",
    "search": "api",
    "serve": "server",
    "similarity": "embeddings.similarity",
    "sweep": "api",
    "sweep_notebook": "api",
    "token_vectors": "embeddings.token_vectors",
    "tokenizer": "api",
}
_MODULES = ("errors", "widgets")

__all__ = [*_HOMES, *_MODULES, "__version__"]


_named = lazy(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}") if name in _MODULES else _named(name)


def __dir__() -> list[str]:
    return sorted(__all__)  # what a person completes is ours, not what this module imports
