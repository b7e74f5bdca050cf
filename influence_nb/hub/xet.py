"""One file by Xet, the Hub's storage of chunks: huggingface_hub fetches it, whoever asks checks it afterwards.

It can be faster than plain HTTP where versions of a file share chunks, and it cannot be resumed, which is why it
has to be asked for (INFLUENCE_XET). It knows neither plans nor checksums.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from influence_nb.errors import DownloadInterrupted
from influence_nb.hub.call import Call
from influence_nb.hub.tally import Count


def is_there(call: Call, url: str) -> bool:
    """Whether the hub keeps a file by Xet and this Python can fetch it so. Costs one request."""
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.utils._runtime import is_xet_available

    if not is_xet_available():
        return False
    said = get_hf_file_metadata(url, headers=call.headers, token=False, endpoint=call.endpoint)
    return said.xet_file_data is not None


def fetch(
    call: Call, repo_id: str, commit: str, name: str, cache: Path | None, folder: Path | None, count: Count
) -> None:
    """Fetch a file to where huggingface_hub puts it.

    Args:
        call: the conversation; requests of this thread must go by it.
        repo_id: "owner/name".
        commit: of the repository.
        name: of the file.
        cache: the Hub's cache, or
        folder: a folder for plain files.
        count: told of what comes.

    Raises:
        DownloadInterrupted: cancelled, or Xet's client gave up.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils._xet import abort_xet_session

    count.stage = "download"
    try:
        with call.on_stop(abort_xet_session):
            hf_hub_download(
                repo_id,
                name,
                revision=commit,
                cache_dir=cache,
                local_dir=folder,
                headers=call.headers,
                token=False,
                endpoint=call.endpoint,
                tqdm_class=_bar(call, count),
            )
    except RuntimeError as error:  # what Xet's client raises, whatever happened
        call.check()
        raise DownloadInterrupted(
            f"{name} of {repo_id} could not be fetched by Xet: {error}.",
            "Ask again, or unset INFLUENCE_XET: plain HTTP continues where bytes stopped.",
        ) from error


def _bar(call: Call, count: Count) -> Any:
    """A progress bar's class that shows nothing, counts for us, and is where a cancel gets in."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *given: Any, **named: Any) -> None:
            self.counts = "downloading bytes" not in str(named.get("desc"))  # one of Xet's two bars
            super().__init__(*given, **{**named, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            call.check()
            if self.counts and n:
                count.take(int(n))

    return Bar
