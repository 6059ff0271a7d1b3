"""The plan: the one YAML file in which a company says what its events mean.

docs/plan.md is its reference. `load_plan` reads and checks one, `Plan` is what everything else
works with, `infer` proposes one from a sample of events.
"""

from schemas.plan.check import PlanInvalid, Problem, load_plan
from schemas.plan.fingerprint import plan_hash
from schemas.plan.models import Plan

__all__ = ["Plan", "PlanInvalid", "Problem", "load_plan", "plan_hash"]
