"""Whose the memberships are that segments name: a plan names a KPI, and not what that is about."""

from schemas.plan.models import Dimension, Plan
from schemas.row_forms.people import MembershipRow
from streams.catalogue import catalogue_rows


def with_known_members(plan: Plan) -> Plan:
    """The plan, with what its segments by `member` are about; the very same if all are of users."""
    rows = {row.id: row for row in (*catalogue_rows(), *plan.kpis.own)}
    of_accounts = {
        id
        for id, row in rows.items()
        if isinstance(row, MembershipRow) and row.subject == "account"
    }

    def known(dimension: Dimension) -> Dimension:
        if dimension.member not in of_accounts:
            return dimension
        return dimension.model_copy(update={"of_accounts": True})

    segments = tuple(map(known, plan.segments))
    return plan if segments == plan.segments else plan.model_copy(update={"segments": segments})
