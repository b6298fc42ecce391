"""The contracts of the indices that the pipeline writes; unlike the whole catalogue, they need no metrics."""

from __future__ import annotations

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.request_error import ERRORS

EVENT_CONTRACTS: tuple[IndexContract, ...] = (PREDICTIONS, FEEDBACK, ERRORS, RELEASES, DEADLETTERS)
