"""All index contracts, in the order of the reference page and of the setup."""

from __future__ import annotations

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.contracts.silence import SILENCES
from monitor_agent.contracts.verdict import VERDICTS

CONTRACTS: tuple[IndexContract, ...] = (
    *EVENT_CONTRACTS,
    *(PERFORMANCE, CURVES, DRIFT, RESTATEMENTS, VERDICTS, ALERTS, SILENCES),
    *(CYCLES, AGENT_STATE, MODEL_SETTINGS),
)
