"""The task, the setting and the agent of a job, as a worker makes them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import AgentContext, do_nothing
from harness.cards import draw_on
from harness.environment import PixelEnv, make_env
from harness.errors import WorkError
from harness.registry import load_agent, load_suite
from harness.running.asset_lookup import look_up
from harness.running.late_files import Watched
from harness.running.needs import given_demos
from harness.running.plan import TaskPlan
from harness.running.rollout import agent_errors
from harness.running.user_files import is_users
from harness.shift_settings import add_shifts

if TYPE_CHECKING:
    from harness.assets.store import AssetStore
    from harness.demos import DemoSet
    from harness.running.handed import Handed
    from harness.running.user_files import UserFiles
    from harness.spec import Protocol, Suite

DEMO_SEED = 1_000  # of the episodes an expert demonstrates: the same demonstrations for every training seed


@dataclass(frozen=True)
class World:
    """What both kinds of job need to build environment and agent again in a worker; picklable."""

    suite_name: str
    shifts: tuple[str, ...]
    agent_name: str
    plan: TaskPlan
    seed: int
    store: AssetStore
    identities: Mapping[str, str]  # asset -> what the plan found; rows name these, so nothing else may be used
    device: str
    profile: str
    handed: Handed | None = None  # suite and policy as objects, instead of the names above
    outside: UserFiles | None = None  # what is the user's own; None: nothing

    def check(self, setting: str, *, with_agent: bool) -> None:
        """Checks that the files a job uses, third-party and the user's own, are those of the plan, as rows will say.

        Args:
          setting: what is shown.
          with_agent: whether the agent uses its own; one that loads a policy does not.
        Raises:
          WorkError: if files were exchanged since the run started.
        """
        if self.outside is not None:
            self.outside.check_unchanged()
        needed = self._suite().setting(setting).assets
        if with_agent and self.handed is None:
            agent = load_agent(self.agent_name)
            needed += agent.required_assets(agent.configure(self.plan.config))
        for name in dict.fromkeys(needed):
            if look_up(self.store, name).identity != self.identities[name]:
                raise WorkError(f"The files of '{name}' changed while the run was at work: start it again.")

    def watched(self, *ours: Path) -> Watched:
        """What watches the user's own code of this world; folders that a run wrote do not count."""
        agent_too, suite_too = self.handed is not None or is_users(self.agent_name), is_users(self.suite_name)
        return Watched(self.outside, self.store, agent_too=agent_too, suite_too=suite_too, ours=ours)

    def _suite(self) -> Suite:
        if self.handed is not None:
            return self.handed.suite
        return add_shifts(load_suite(self.suite_name), self.shifts)

    def make_env(self, setting: str) -> PixelEnv:
        """The environment of this task in one of the suite's settings, as the agent observes it."""
        draw_on(self.device)
        return make_env(
            self._suite(),
            self.plan.task,
            setting,
            assets=self.store,
            profile=self.profile,
            protocol=self.plan.protocol,
            states=self.handed is None and load_agent(self.agent_name).observes == "states",
        )

    def demos(self, folder: Path, on_progress: Callable[[Any], None]) -> DemoSet | None:
        """The demonstrations the agent asks for, collected into a folder; what is there already is taken."""
        agent = load_agent(self.agent_name)
        request = agent.configure(self.plan.config).demos()
        if request is None:
            return None
        if request.folder:
            return given_demos(request, self._suite(), self.plan, self.profile)
        from harness.demos import collect_demos

        return collect_demos(
            replace(self._suite(), protocol=self._demo_protocol()),
            self.plan.task,
            episodes=request.num,
            seed=DEMO_SEED,
            out=folder,
            store=self.store,
            source=request.source,
            pictures=request.pictures,
            noisy=request.noisy,
            profile=self.profile,
            progress=lambda kept, tried: on_progress({}),
        )

    def _demo_protocol(self) -> Protocol:
        """The run's own, but for the length of an episode: an expert is given the time that the suite gives."""
        frames = self._suite().protocol.for_task(self.plan.task).episode_frames
        return self.plan.protocol.replace(self.plan.task, "episode_frames", frames)

    def make_agent(
        self,
        env: PixelEnv,
        memory: Path | None = None,
        *,
        evaluation_only: bool = False,
        alive: Callable[[], None] = do_nothing,
    ) -> Any:
        """The agent, untrained; or the policy that was handed over."""
        if self.handed is not None:
            return self.handed.policy
        agent = load_agent(self.agent_name)
        context = AgentContext(
            task=self.plan.task,
            observation_space=env.observation_space,
            action_space=env.action_space,  # type: ignore[arg-type]
            frame_stack=self.plan.protocol.frame_stack,
            action_repeat=self.plan.protocol.action_repeat[self.plan.task],
            train_frames=self.plan.train_frames,
            seed=self.seed,
            device=self.device,
            assets=self.store,
            evaluation_only=evaluation_only,
            memory=memory,
            alive=alive,
        )
        with agent_errors("make", f"before the first step on {self.plan.task}, seed {self.seed}"):
            return agent.make(context, agent.configure(self.plan.config))
