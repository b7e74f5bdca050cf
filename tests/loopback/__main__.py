"""The loopback Hub as a process of its own: `python -m tests.loopback [--model MEGABYTES FILES]`.

It prints its address, answers each line on its input with the number of requests since the last one, and ends
when its input does. Without a model it holds the shelf of `models.stock`.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.loopback.hub import LoopbackHub
from tests.loopback.models import made_up, stock


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", nargs=2, type=int, metavar=("MEGABYTES", "FILES"))
    model = parser.parse_args().model
    with LoopbackHub() as hub:
        commit = hub.add("big/model", made_up(model[0] * 1_000_000, shards=model[1])) if model else stock(hub)
        for file in hub.repos["big/model"].commits[commit].files.values() if commit else ():
            _ = file.etag  # worked out now, so that nobody's download waits for it
        print(json.dumps({"endpoint": hub.endpoint, "commit": commit}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"requests": len(hub.log)}), flush=True)
            hub.forget()


if __name__ == "__main__":
    main()
