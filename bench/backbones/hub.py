"""Folders of the Hugging Face hub: the local copy, downloaded only where that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from robobench.errors import RobobenchError

__all__ = ["hub_folder", "local_or_hub"]


def _looks_like_a_path(name: str) -> bool:
    """Whether a name can only be a path: the hub's names are OWNER/NAME or NAME, with @REVISION."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def local_or_hub(
    argument: str,
    *,
    kind: Literal["model", "dataset"],
    patterns: Sequence[str],
    download: bool,
    called: str,
) -> tuple[Path, str]:
    """What ``hf:ARGUMENT`` means: a folder, or the local copy of a repository.

    Args:
        argument: Path of a folder, or as for `hub_folder`, as the next four.
        kind: Of the repository.
        patterns: Which of its files are needed.
        download: Whether it may be downloaded.
        called: How the user referred to it, for messages.

    Returns:
        The folder, and the name in results, without the folder's path.

    Raises:
        RobobenchError: There is no such folder, or as `hub_folder`.
    """
    folder = Path(argument).expanduser()
    if folder.is_dir():
        return folder, f"hf:{folder.resolve().name}"
    if _looks_like_a_path(argument):
        raise RobobenchError(f"{called}: no such folder")
    found = hub_folder(argument, kind=kind, patterns=patterns, download=download, called=called)
    return found, f"hf:{argument}"


def hub_folder(
    name: str,
    *,
    kind: Literal["model", "dataset"],
    patterns: Sequence[str],
    download: bool,
    called: str,
) -> Path:
    """The local copy of a repository of the Hugging Face hub.

    Args:
        name: ``OWNER/NAME``, or ``OWNER/NAME@REVISION``.
        kind: Of the repository.
        patterns: Which of its files are needed.
        download: Whether it may be downloaded; if not, an earlier download is taken.
        called: How the user referred to it, for messages.

    Raises:
        RobobenchError: It does not exist, is gated, cannot be reached, or is not here and may not be
            downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repository}"
    try:
        found = snapshot_download(
            repository,
            repo_type=kind,
            revision=revision or None,
            allow_patterns=list(patterns),
            local_files_only=not download,
        )
        return Path(str(found))
    except HFValidationError:
        raise RobobenchError(
            f"{called}: expected the hub's OWNER/NAME or an existing folder, got {name!r}"
        ) from None
    except GatedRepoError:
        raise RobobenchError(
            f"{called} is gated: accept its terms at {page}, then `hf auth login`, and try again"
        ) from None
    except RepositoryNotFoundError:
        raise RobobenchError(
            f"{called}: the hub has no {kind} {repository}, or it is private (then `hf auth login`)"
        ) from None
    except RevisionNotFoundError:
        raise RobobenchError(
            f"{called}: {repository} has no revision {revision!r} on the hub"
        ) from None
    except Exception as error:  # the connection, in many shapes
        if isinstance(error, LocalEntryNotFoundError) and not download:
            raise RobobenchError(
                f"{called} has not been downloaded yet: --download lets it be fetched from the hub, "
                "or give the path of a local folder"
            ) from None
        reason = " ".join(str(error).split())[:120]
        raise RobobenchError(
            f"{called} cannot be downloaded from the hub ({type(error).__name__}: {reason}); a "
            "folder downloaded elsewhere works as well"
        ) from error
