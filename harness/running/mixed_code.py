"""Runs that more than one version of the code measures."""

from __future__ import annotations

from harness.results.store import RowStore
from harness.running import provenance
from harness.running.cells import missing_cells
from harness.running.plan import RunPlan
from harness.running.policies import load_policy_source
from harness.running.run_folder import is_trained, policy_folder
from harness.running.seeds import made_with


def mixed_code(plan: RunPlan, store: RowStore) -> str | None:
    """What to do where more than one revision of the code measures this run; None where it is one.

    A run goes on after the code was changed, as nobody wants to lose days of training to an edit; but its table cannot
    put the two together, and the same command would never mend that.
    """
    cells = [(task.task, setting, seed) for task, setting, seed in plan.cells()]
    measured = {code for cell in cells for (code,) in store.values(*cell, ["code_revision"])}
    if missing_cells(plan, store):
        measured.add(provenance.code_revision())
    trained: dict[str, set[str]] = {}
    for task, seed in dict.fromkeys((task, made_with(seed)) for task, _, seed in cells if plan.trains):
        known = is_trained(plan, task, seed)
        conditions = load_policy_source(policy_folder(plan, task, seed)).conditions if known else {}
        trained.setdefault(task, set()).add(conditions.get("code_revision", provenance.code_revision()))
    unlike = set().union(*(revisions for revisions in trained.values() if len(revisions) > 1))
    if len(measured) < 2 and not unlike:
        return None
    kept = " (trained policies stay)" if plan.trains else ""
    remedy = f"{plan.folder} (it trains again)" if unlike else f"{store.folder}{kept}"
    return (
        f"More than one version of the code measures this run ({', '.join(sorted(measured | unlike))}), so its table "
        f"has lines (a), (b): to measure it anew by the code as it is, delete {remedy}, or give another folder with "
        "--runs."
    )
