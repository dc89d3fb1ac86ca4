"""The weights of all-MiniLM-L6-v2, installed once a checkout as `kgents memory install` does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kgents_cli.embedding_model import install_model
from tests.external.environments import ROOT, TOOLS


@cache
def embedding_model() -> Path:
    """The folder with the model."""
    folder = TOOLS / "embedding-model"
    install_model(ROOT, folder, lambda _: None)
    return folder
