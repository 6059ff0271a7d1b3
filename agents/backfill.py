"""Making the numbers of a changed plan anew under a new prefix, beside the one that runs.

A backfill is a run like any other, with a consumer group of its own, but that it reads the inputs
up to where they ended when it began, and ends by itself once all that follows from it is done. Time
stays what the events say, so that live workers go on from there. Until they do, the new prefix
bears a mark of the one that it is to follow: by that a backfill that was killed knows its own.
"""

from collections.abc import Callable

from agents.plans import PLANS, PlanDiffers, check_plan, read_plans, told_change
from agents.service import create_topics, work
from agents.settings import Settings
from agents.topics import (
    BROKER_DEFAULT,
    TOPICS,
    copies_of,
    partition_counts,
    topic_name,
)
from schemas.plan.models import Plan


class BackfillRefused(Exception):
    """The prefix cannot take the backfill; nothing was changed. The message says what to do."""


def backfill(
    plan: Plan,
    prefix: str,
    settings: Settings,
    *,
    from_ms: int | None = None,
    accept_loss: bool = False,
    show_accounts: bool = False,
    stop_when: Callable[[], bool] | None = None,
) -> bool:
    """Computes `plan` under `prefix`, from all that its inputs hold now; its own prefix runs on.

    False: it was asked to stop before it had come to the end; called again it goes on. Raises
    BackfillRefused where `prefix` is in use for something else, and otherwise as `work`.
    """
    new = plan.model_copy(update={"prefix": prefix})
    _check(plan.prefix, new, settings)
    _create_missing(plan.prefix, new, settings)
    return work(
        new,
        settings,
        from_ms=from_ms,
        accept_loss=accept_loss,
        show_accounts=show_accounts,
        stop_when=stop_when,
        backfill_of=plan.prefix,
    )


def _check(old: str, new: Plan, settings: Settings) -> None:
    """Refuses before anything is made or written."""
    if new.prefix == old:
        raise BackfillRefused(
            f"{old} is the prefix that runs: name a new one, such as {old}-2; the plan keeps "
            f"`prefix: {old}` until you go over."
        )
    there = _existing(settings, old, new.prefix)
    if topic_name(old, PLANS) not in there:
        raise BackfillRefused(
            f"Nothing runs under the plan's prefix {old}, so there is nothing to compare with: "
            "start `headwater run` without --backfill, or name the prefix that runs in the plan."
        )
    if topic_name(new.prefix, PLANS) not in there:
        return
    written = read_plans(settings.of_worker(new.prefix), new.prefix)
    if written.running is None:
        return
    if written.backfill_of != old:
        of = written.backfill_of
        is_what = "is live already" if of is None else f"was begun as a backfill of {of}"
        raise BackfillRefused(f"The prefix {new.prefix} {is_what}: choose another for this one.")
    try:
        check_plan(written.running, new)
    except PlanDiffers:
        raise BackfillRefused(
            f"{told_change(written.running, new)}\n"
            f"A backfill is of one plan: choose another prefix than {new.prefix} for this one, or "
            "go on with the plan that it was begun with."
        ) from None


def _create_missing(old: str, new: Plan, settings: Settings) -> None:
    """Makes the topics that the new prefix does not have, like those of the old one."""
    known = set(_existing(settings, new.prefix)) - {topic_name(new.prefix, PLANS)}
    # Where there are topics their numbers are written down: begun before, or made by hand.
    counts = None if known else read_plans(settings.of_worker(old), old).partitions
    copies = copies_of(
        settings.bootstrap_servers, topic_name(old, PLANS), security=settings.security()
    )
    create_topics(new, settings, BROKER_DEFAULT if copies is None else copies, counts)


def _existing(settings: Settings, *prefixes: str) -> dict[str, int]:
    names = [topic.name(prefix) for prefix in prefixes for topic in TOPICS]
    return partition_counts(settings.bootstrap_servers, names, security=settings.security())
