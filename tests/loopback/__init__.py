"""A Hub on this machine that speaks to the real client, and misbehaves when asked to."""

from tests.loopback.faults import Fault, Hold
from tests.loopback.hub import LoopbackHub
from tests.loopback.requests import Request

__all__ = ["Fault", "Hold", "LoopbackHub", "Request"]
