"""Whether an agent may run now, and how: the deployment's settings under the operators', and whether it is paused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.domain.agents import Agent, AgentConfig, AgentState, Autonomy, merge_patch
from shared.domain.errors import ConflictError, FatalError, InvalidMessageError, NightdeskError, NotFoundError
from shared.remembering import Remembered
from shared.usecases.agent_specs import AgentSpec, config_of

if TYPE_CHECKING:
    from shared.agent_ports import AgentDirectory
    from shared.ports import Clock

REMEMBERED_MS: Final = 5_000
"""For how long a warm process goes by what it has read: a pause reaches everything within so long."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """An agent as it stands; `known` is None for one nobody has heard of, `config` for one that is not registered."""

    agent: str
    known: Agent | None
    config: AgentConfig | None

    @property
    def stopped(self) -> str | None:
        """Return why it does nothing, None while it may run."""
        if self.known is not None and self.known.state is AgentState.PAUSED:
            why = f": {self.known.paused_reason}" if self.known.paused_reason else ""
            return f"paused by {self.known.paused_by}{why}"
        if self.config is not None and not self.config.enabled:
            return "not enabled in its settings"
        return None


@dataclass(slots=True, kw_only=True)
class Clearances:
    """How agents stand, as it was a few seconds ago at most; `deployed` are the settings of config/agents.yaml.

    A watchman is read from the `hasty` directory: what cannot answer at once must not hold it up.
    """

    directory: Callable[[], AgentDirectory]
    hasty: Callable[[], AgentDirectory]
    specs: Mapping[str, AgentSpec]
    deployed: Mapping[str, Mapping[str, object]]
    wall_clock: InitVar[Clock]
    _read: Remembered[str, Clearance] = field(init=False)

    def __post_init__(self, wall_clock: Clock) -> None:
        self._read = Remembered(life_ms=REMEMBERED_MS, wall_clock=wall_clock)

    def of(self, agent: str) -> Clearance:
        """Return how an agent stands; raise `FatalError` for settings that mean nothing any more.

        Of a watchman that cannot be read it is what the deployment says.
        """
        return self._read.of(agent, lambda: self._look(agent))

    def _look(self, agent: str) -> Clearance:
        spec = self.specs.get(agent)
        is_watchman = spec is not None and spec.watchman
        try:
            return self.judge(agent, self._known(agent, is_watchman=is_watchman))
        except NightdeskError as error:
            if not is_watchman:
                raise
            logger.warning("%s runs by the deployment's settings: %s", agent, error)
            return self.judge(agent, None)

    def judge(self, agent: str, known: Agent | None) -> Clearance:
        """Return how an agent stands that has been read; raise `FatalError` naming the setting that means nothing."""
        if agent not in self.specs:
            return Clearance(agent=agent, known=known, config=None)
        given = merge_patch(self.deployed.get(agent, {}), {} if known is None else known.settings)
        try:
            config = config_of(self.specs[agent], given, place=agent)
        except InvalidMessageError as error:
            raise FatalError(f"what is set for {agent} cannot be used: {error}") from error
        return Clearance(agent=agent, known=known, config=config)

    def require(self, agent: str) -> None:
        """Raise `ConflictError` that says why while an agent does nothing."""
        if (why := self.of(agent).stopped) is not None:
            raise ConflictError(f"{agent} is {why}")

    def autonomy(self, agent: str) -> Autonomy:
        """Return how far a registered agent goes by itself."""
        return self._config(agent).autonomy

    def settings(self, agent: str, kind: type[T]) -> T:
        """Return the settings of a registered agent."""
        settings: Any = self._config(agent).settings
        if not isinstance(settings, kind):
            raise FatalError(f"the settings of {agent} are {type(settings).__name__}, not {kind.__name__}")
        return settings

    def _config(self, agent: str) -> AgentConfig:
        config = self.of(agent).config
        if config is None:
            raise FatalError(f"agent {agent!r} is not registered")
        return config

    def _known(self, agent: str, *, is_watchman: bool) -> Agent | None:
        directory = self.hasty if is_watchman else self.directory
        try:
            return directory().get(agent)
        except NotFoundError:
            return None
