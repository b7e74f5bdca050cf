"""The models in the Hub's standard cache, which every Hugging Face tool on this machine shares.

It reads the cache and asks no network. A missing cache is an empty one; damaged entries are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CachedModel:
    """One model in the cache: its repository, the commit its snapshot is of, and the snapshot's folder."""

    repo_id: str
    commit: str
    path: Path


def cached_models() -> list[CachedModel]:
    """One entry a repository that has a config.json: what `main` points to, else what changed last."""
    from huggingface_hub import CacheNotFound, constants, scan_cache_dir

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, ValueError, OSError):  # ValueError: the cache is a file
        return []
    models = []
    for repo in repos:
        revisions = [found for found in repo.revisions if (found.snapshot_path / "config.json").exists()]
        if repo.repo_type == "model" and revisions:
            best = max(revisions, key=lambda found: ("main" in found.refs, found.last_modified))
            models.append(CachedModel(repo.repo_id, best.commit_hash, best.snapshot_path))
    return sorted(models, key=lambda model: model.repo_id.lower())
