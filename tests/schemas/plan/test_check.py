"""Every mistake of a plan is reported at once, with its line, its place and what to do."""

from pathlib import Path
from typing import get_args

import pytest

from schemas.conditions import Holds
from schemas.fact_kinds import FACT_KINDS
from schemas.plan.check import PlanInvalid, load_plan
from schemas.plan.places import known_keys
from schemas.plan.written import WrittenSettings

KNOWN_KPIS = ("dau", "wau", "mau", "user_retention_rate", "nps_promoters")

OWN_ROW = """
    - id: mine
      name: Mine
      group: own
      unit: users
      periods: [day]
      definition: Active users.
      example: u1 -> 1
      operator: distinct
      subject: user
"""

FORMULA = OWN_ROW.replace("distinct", "formula").replace("      subject: user\n", "")


def problems_of(text: str) -> list[str]:
    """Each problem as `line message at place; suggestion`."""
    with pytest.raises(PlanInvalid) as invalid:
        load_plan(text, known_kpis=KNOWN_KPIS)
    return [f"{problem.line} {problem}" for problem in invalid.value.problems]


def expect(text: str, *problems: str) -> None:
    assert problems_of("product: Test\n" + text) == list(problems)


def test_an_unknown_fact_kind_is_reported_at_its_entry_with_the_nearest_one() -> None:
    expect(
        "events:\n"
        "- {event: A, is: activity}\n"
        "- {event: B, is: feature}\n"
        "- {event: C, is: activaton}\n",
        "5 unknown fact kind `activaton` at events.2; did you mean `activation`?",
    )


def test_all_mistakes_of_a_plan_come_at_once_in_the_order_of_the_file() -> None:
    assert problems_of("""\
timezone: Europe/Berln
week_start: mondai
activty: all
inputs: [{topic: product events}, {format: segmnt}]
first_action: First Activity
activation: {all_of: [accept, complet]}
key_tasks:
  accept: Incident Accepted
  complete: {event: Incident Completed, where: {impact: {inn: [High]}}}
segments: {country: {}, plan: {trait: plan}}
milestones: {distinct_users: [3, 1]}
kpis: {only: [dau, waw], levels: {acount: [dau]}}
watermark: {disorder: 60}
""") == [
        "None `product` is missing; add `product: ...`",
        "1 unknown time zone `Europe/Berln` at timezone; did you mean `Europe/Berlin`?",
        "2 unknown week start `mondai` at week_start; did you mean `monday`?",
        "3 unknown key `activty`; did you mean `activity`?",
        "4 `product events` is no topic name (letters, digits, `.`, `_`, `-`) at inputs.0.topic",
        "4 `topic` is missing at inputs.1; add `topic: ...`",
        "4 unknown format `segmnt` at inputs.1.format; did you mean `segment`?",
        "5 `First Activity` would be an event of that name at first_action; did you mean "
        "`first activity`? If not, write `{event: First Activity}`",
        "6 no rule makes the key task `complet` at activation.all_of.1; did you mean `complete`?",
        "9 unknown key `inn` at key_tasks.complete.where.impact; did you mean `in`?",
        "10 a segment needs `property`, `trait`, `member`, `account_trait` or `fact` at "
        "segments.country; write `{property: <path>}`, `{trait: <path>}`, `{member: <KPI>}`, "
        "`{account_trait: <path>}` or `{fact: <kind>, attribute: ...}`",
        "11 numbers must ascend, each once at milestones.distinct_users; write `[1, 3]`",
        "12 unknown KPI `waw` at kpis.only.1; did you mean `wau`?",
        "12 unknown key `acount` at kpis.levels; did you mean `account`?",
        "13 duration `60` has no unit at watermark.disorder; write `60s` for seconds",
    ]


SELECTORS = {
    "a selector of nothing": (
        "activity: {}",
        "2 a selector without `event`, `page`, `screen` or `where` at activity; "
        'write `event: "*"` for every track event',
    ),
    "two names": (
        "activity: {event: A, page: B}",
        "2 `event` and `page` exclude each other at activity.page; make it a list of two selectors",
    ),
    "an empty list": ("activity: []", "2 expected at least 1 entry at activity"),
    "a number in place of a name": (
        "key_tasks: {a: 5}",
        "2 expected an event name, a mapping such as `{event: ...}`, or a list of these "
        "at key_tasks.a",
    ),
    "a key without a value": (
        "activity: {event: }",
        "2 `event` has no value at activity.event; give it one, or leave the key out",
    ),
    "conditions without a value": (
        "activity: {event: A, where: }",
        "2 `where` has no value at activity.where; give it one, or leave the key out",
    ),
    "a section without a value": (
        "activity:",
        "2 `activity` has no value at activity; give it one, or leave the key out",
    ),
    "a text that is nearly `all`": (
        "activity: All",
        "2 `All` would be an event of that name at activity; did you mean `all`? "
        "If not, write `{event: All}`",
    ),
    "a list in place of one value": (
        "activity: {event: A, where: {x: {equals: [1, 2]}}}",
        "2 expected a text, a number, true, false or null at activity.where.x.equals; "
        "write `{in: [...]}` for one of several values",
    ),
    "an order of booleans": (
        "activity: {event: A, where: {x: {gt: true}}}",
        "2 `true` has no order at activity.where.x.gt; compare with a number or a text",
    ),
    "a number beyond JSON's": (
        "activity: {event: A, where: {x: 36893488147419103232}}",
        "2 number `36893488147419103232` is too large at activity.where.x; at most 2^53",
    ),
    "a test of nothing": (
        "activity: {event: A, where: {x: {}}}",
        "2 a test without an operator at activity.where.x; write `exists: true` for any value",
    ),
    "a path of nothing": (
        "activity: {event: A, where: {a..b: 1}}",
        "2 `a..b` is no path at activity.where.a..b; write the keys with single dots between them",
    ),
    "a path that says properties": (
        "activity: {event: A, where: {properties.kind: 1}}",
        "2 path `properties.kind` leaves the properties at activity.where.properties.kind; "
        "write `kind`",
    ),
    "a trait in place of a property": (
        "events: [{event: A, is: feature, name: {property: traits.x}}]",
        "2 `traits.x` is no property at events.0.name.property; properties only can be read here",
    ),
    "a path into the context": (
        "segments: {locale: {property: context.locale}}",
        "2 path `context.locale` cannot be read: only properties and traits of a call are kept "
        "at segments.locale.property; write `traits.locale` for a trait",
    ),
}

MEANINGS = {
    "a kind that makes no facts": (
        "events: [{event: A, is: [activity, erase]}]",
        "2 events of kind `erase` make no facts at events.0; say which they are under `erasure`",
    ),
    "a kind like none": (
        "events: [{event: A, is: zzz}]",
        f"2 unknown fact kind `zzz` at events.0; known are {', '.join(FACT_KINDS)}",
    ),
    "no kind": ("events: [{event: A}]", "2 `is` is missing at events.0; add `is: ...`"),
    "a kind twice": (
        "events: [{event: A, is: [activity, activity]}]",
        "2 `activity` is listed twice at events.0.is",
    ),
    "a name for what has none": (
        "events: [{event: A, is: activity, name: x}]",
        "2 activity facts have no name at events.0; leave `name` out",
    ),
    "a value for what has none": (
        "events: [{event: A, is: activity, value: x}]",
        "2 activity facts have no value at events.0; leave `value` out",
    ),
    "an attribute for what has none": (
        "events: [{event: A, is: activity, attributes: {status: x}}]",
        "2 activity facts have no attribute `status` at events.0; leave `attributes` out",
    ),
    "an attribute of another kind": (
        "events: [{event: A, is: trial, attributes: {state: started}}]",
        "2 trial facts have no attribute `state` at events.0; they may have status",
    ),
    "a thing without an id": (
        "events: [{event: A, is: ticket, attributes: {status: created}}]",
        "2 a ticket needs the ticket id of each event at events.0; add `name: {property: <path>}`",
    ),
    "several names under none": (
        'events: [{event: "A*", is: key_task}, {where: {x: 1}, is: feature}]',
        "2 a key_task made of events with different names needs a name of its own at events.0; "
        "add `name: <text>` or `name: {property: <path>}`",
        "2 a feature made of events with different names needs a name of its own at events.1; "
        "add `name: <text>` or `name: {property: <path>}`",
    ),
    "a first action besides the first activity": (
        "first_action: first activity\nevents: [{event: A, is: first_action}]",
        "3 `first_action` is `first activity`, no event is one at events.0",
    ),
    "an activation besides tasks": (
        "activation: {all_of: [a]}\nkey_tasks: {a: A}\nevents: [{event: A, is: activation}]",
        "4 `activation` is by key tasks, no event is one at events.0",
    ),
    "times and days": (
        "activation: {event: A, times: 3, distinct_days: 3}",
        "2 `times` and `distinct_days` exclude each other at activation.distinct_days",
    ),
    "an event and tasks": (
        "activation: {event: A, all_of: [a]}\nkey_tasks: {a: A}",
        "2 `event` and `all_of` exclude each other at activation.all_of",
    ),
    "more days than there are": (
        "activation: {event: A, distinct_days: 5, within_days: 3}",
        "2 5 different days do not fit into 3 at activation.within_days",
    ),
    "a span of no days": (
        "activation: {event: A, within_days: 3}",
        "2 `within_days` without `distinct_days` at activation.within_days; "
        "add `distinct_days: <n>`",
    ),
    "a misspelled rule": (
        "activation: {event: A, tmes: 3}",
        "2 unknown key `tmes` at activation; did you mean `times`?",
    ),
    "tasks of nobody": (
        "activation: {all_of: [a]}",
        "2 no rule makes the key task `a` at activation.all_of.0; "
        "add it: `key_tasks: {a: <event name>}`",
    ),
}

THE_REST = {
    "an account that belongs to nobody says whom": (
        "account_merges: {event: Merged}",
        "2 `into` is missing at account_merges; add `into: ...`",
    ),
    "accounts merge into what an event names": (
        "account_merges: Merged",
        "2 expected a mapping such as `{event: ..., into: ...}`, or a list of these "
        "at account_merges",
    ),
    "into is a property": (
        "account_merges: {event: Merged, into: traits.into}",
        "2 `traits.into` is no property at account_merges.into; properties only can be read here",
    ),
    "another rule for aggregates": (
        "erasure: {aggregates: keeps}",
        "2 unknown rule `keeps` at erasure.aggregates; did you mean `keep`?",
    ),
    "pseudonyms of somebody else": (
        "privacy: {pseudonyms: [user]}",
        "2 unknown kind of ids `user` at privacy.pseudonyms.0; did you mean `users`?",
    ),
    "a mapping without fields": (
        "inputs: [{topic: t, format: mapping}]",
        "2 format mapping needs `fields` at inputs.0; "
        "add `fields: {name: <path>, time: <path>, user: <path>, account: <path>}`",
    ),
    "fields without a mapping": (
        "inputs: [{topic: t, fields: {name: n, time: t}}]",
        "2 `fields` goes with `format: mapping` only at inputs.0.fields",
    ),
    "a corrected clock of another format": (
        "inputs: [{topic: t, format: mapping, fields: {name: n, time: t, user: u}, "
        "clock: corrected}]",
        "2 `clock: corrected` goes with `format: segment` only at inputs.0.clock",
    ),
    "events of nobody": (
        "inputs: [{topic: t, format: mapping, fields: {name: n, time: t}}]",
        "2 events of nobody at inputs.0.fields; add the path of `user`, `anonymous` or `account`",
    ),
    "traits that no input has": (
        "inputs: [{topic: t, format: mapping, fields: {name: n, time: t, user: u}}]\n"
        "segments: {plan: {trait: plan}}",
        "3 no input has traits at segments.plan.trait; "
        "say where they are in `inputs`: `fields.traits`",
    ),
    "a topic twice": (
        "inputs: [{topic: t}, {topic: t}]",
        "2 `t` is listed twice at inputs",
    ),
    "a name twice": (
        "inputs: [{topic: t}, {topic: u, name: t}]",
        "2 `t` is listed twice at inputs",
    ),
    "a name that is none": (
        "inputs: [{topic: t, name: a=b}]",
        "2 `a=b` is no name of an input (letters, digits, `.`, `_`, `-`) at inputs.0.name",
    ),
    "ids that may be the same": (
        "inputs: [{topic: t, format: mapping, fields: &f {name: n, time: t, user: u}},"
        " {topic: u, format: mapping, fields: *f}, {topic: v}]",
        "2 the message ids of t and u may be the same at inputs; "
        "give all of them but one a `name`, such as `name: u`",
    ),
    "nothing that drives": (
        "inputs: [{topic: t, drives_watermark: false}]",
        "2 no input drives the watermark, so that no day would ever end at inputs; "
        "leave `drives_watermark: false` out where events come as they happen",
    ),
    "rules about no input": (
        "inputs: [{topic: t, events: [{event: A, is: activity}]}]\nactivity: B\nkey_tasks: {b: B}",
        "3 every input says itself what its events mean: nothing is left for `activity` "
        "at activity; write it under `events` of the input",
        "4 every input says itself what its events mean: nothing is left for `key_tasks` "
        "at key_tasks; write it under `events` of the input",
    ),
    "a task that no input makes": (
        "inputs: [{topic: t, events: [{event: A, is: key_task}]}]\nactivation: {all_of: [A, B]}",
        "3 no rule makes the key task `B` at activation.all_of.1; key tasks are A",
    ),
    "rows without columns": (
        "inputs: [{topic: t, format: csv, fields: {time: t, user: u}}]",
        "2 format csv needs `columns` at inputs.0; list all columns in their order",
    ),
    "columns without rows": (
        "inputs: [{topic: t, columns: [a]}]",
        "2 `columns` goes with `format: csv` only at inputs.0.columns",
    ),
    "a column that is not there": (
        "inputs: [{topic: t, format: csv, columns: [at, user], fields: {time: at, user: usr}}]",
        "2 `user` is in no column `usr` at inputs.0.fields; did you mean `user`?",
    ),
    "an object in a row": (
        "inputs: [{topic: t, format: csv, columns: [at, u], "
        "fields: {time: at, user: u, traits: u}}]",
        "2 a row has no traits at inputs.0.fields; leave `traits` out: every column is one",
    ),
    "a delimiter of two": (
        "inputs: [{topic: t, format: csv, columns: [at, u], delimiter: ab, "
        "fields: {time: at, user: u}}]",
        '2 `ab` is no delimiter at inputs.0.delimiter; write one character, such as ";" or "\\t"',
    ),
    "leaving out whom nobody knows": (
        'exclude: {users: [{trait: internal, not_equals: "false"}]}',
        "2 this would leave out every person whose trait is not known at "
        "exclude.users.0.not_equals; say whom to leave out with `equals`, `in` or `matches`",
    ),
    "a trait without a test": (
        "exclude: {users: [{trait: internal}]}",
        "2 a trait needs one operator, not 0 at exclude.users.0; "
        'write such as `{trait: internal, equals: "true"}`',
    ),
    "a property and a trait": (
        "segments: {plan: {property: plan, trait: plan}}",
        "2 `property` and `trait` exclude each other at segments.plan",
    ),
    "traits of the person and of the account": (
        "segments: {plan: {trait: plan, account_trait: plan}}",
        "2 `trait` and `account_trait` exclude each other at segments.plan",
    ),
    "users by a trait of their own": (
        "segments: {plan: {trait: plan, users: true}}",
        "2 `users` goes with what an account stands at: a `trait` splits KPIs about users anyway "
        "at segments.plan.users; leave it out",
    ),
    "users by what their events say": (
        "segments: {plan: {property: plan, users: true}}",
        "2 `users` goes with what an account stands at: a `property` splits KPIs about users "
        "anyway at segments.plan.users; leave it out",
    ),
    "a membership and a trait": (
        "segments: {promoter: {trait: promoter, member: nps_promoters}}",
        "2 `trait` and `member` exclude each other at segments.promoter",
    ),
    "a membership and a trait of the account": (
        "segments: {promoter: {member: nps_promoters, account_trait: size}}",
        "2 `member` and `account_trait` exclude each other at segments.promoter",
    ),
    "a membership of a property": (
        "segments: {promoter: {property: promoter, member: nps_promoters}}",
        "2 `property` and `member` exclude each other at segments.promoter",
    ),
    "a membership of a fact": (
        "segments: {promoter: {fact: plan_change, attribute: tier, member: nps_promoters}}",
        "2 `fact` and `member` exclude each other at segments.promoter",
    ),
    "values of a membership": (
        "segments: {promoter: {member: nps_promoters, values: [a]}}",
        "2 a `member` has the values `yes` and `no` at segments.promoter.values; leave `values` "
        "out",
    ),
    "a membership that is no KPI": (
        "segments: {promoter: {member: nps_promotors}}",
        "2 unknown KPI `nps_promotors` at segments.promoter.member; did you mean `nps_promoters`?",
    ),
    "a membership in a combination with what has no bound": (
        "segments: {promoter: {member: nps_promoters}, plan: {trait: plan}}\n"
        "combinations: [[promoter, plan]]",
        "3 `plan` has no bound: a combination has a segment for each pair of values at "
        "combinations; list the `values` of `plan` that you will look at",
    ),
    "users by an account that is named": (
        "segments: {plan: {account_trait: plan, users: acme}}",
        "2 expected true or false, not `acme` at segments.plan.users",
    ),
    "a combination of users by their account and by their trait": (
        "segments: {a: {account_trait: a, users: true, values: [x]}, "
        "b: {trait: b, values: [y]}}\ncombinations: [[a, b]]",
        "3 `a` is what an account stands at, and `b` is not: no KPI is split by both at "
        "combinations; combine two of accounts (`fact`, `account_trait`, a `member` of theirs), "
        "or two others",
    ),
    "a dimension that is no name": (
        "segments: {the plan: {trait: plan}}",
        "2 `the plan` is no dimension name (letters, digits, `_`) at segments.the plan",
    ),
    "a list without values": (
        "segments: {plan: {trait: plan, values: []}}",
        "2 no value is listed at segments.plan.values; list some, or leave `values` out to take "
        "every value",
    ),
    "a number in place of values": (
        "segments: {plan: {trait: plan, values: 20}}",
        "2 expected a list, not `20` at segments.plan.values",
    ),
    "a value that is no text": (
        "segments: {plan: {trait: plan, values: [1]}}",
        '2 expected a text, not `1` at segments.plan.values.0; put it in quotes: `"1"`',
    ),
    "what others count as, listed": (
        "segments: {plan: {trait: plan, values: [pro, other]}}",
        "2 `other` is what all values that are not listed count as at segments.plan.values; "
        "leave it out",
    ),
    "a value listed twice": (
        "segments: {plan: {trait: plan, values: [pro, free, pro]}}",
        "2 `pro` is listed twice at segments.plan.values",
    ),
    "values without end": (
        f"segments: {{plan: {{trait: plan, values: [{', '.join(f'v{n}' for n in range(101))}]}}}}",
        "2 101 values are too many at segments.plan.values; list the 100 that you will look at: "
        "the others count as `other`",
    ),
    "a value longer than any": (
        f"segments: {{plan: {{trait: plan, values: [{'x' * 201}]}}}}",
        "2 a value has 200 characters at most at segments.plan.values; leave it out",
    ),
    "a combination of what is not there": (
        "segments: {plan: {trait: plan, values: [a]}}\ncombinations: [[plan, land]]",
        "3 the plan has no segment `land` at combinations; did you mean `plan`?",
    ),
    "a combination with itself": (
        "segments: {plan: {trait: plan, values: [a]}}\ncombinations: [[plan, plan]]",
        "3 `plan` is combined with itself at combinations; name two different ones",
    ),
    "a combination of three": (
        "segments: {plan: {trait: plan, values: [a]}}\ncombinations: [[plan, plan, plan]]",
        "3 expected two dimensions, not 3 at combinations.0; write such as `[plan, country]`",
    ),
    "a combination without bound": (
        "segments: {a: {property: a, values: [x]}, b: {property: b}}\ncombinations: [[a, b]]",
        "3 `b` has no bound: a combination has a segment for each pair of values at combinations; "
        "list the `values` of `b` that you will look at",
    ),
    "a combination written twice": (
        "segments: {a: {property: a, values: [x]}, b: {property: b, values: [y]}}\n"
        "combinations: [[a, b], [b, a]]",
        "3 `b` and `a` are combined twice at combinations; leave one out",
    ),
    "a combination that says where a value ends twice": (
        "segments: {a: {property: a, values: [x&y]}, b: {property: b, values: [y]}}\n"
        "combinations: [[a, b]]",
        "3 `x&y` of `a` has a `&`, which stands between two values at combinations; leave it out "
        "of `values`, so that it counts as `other`",
    ),
    "a combination of states and traits": (
        "segments: {a: {fact: plan_change, attribute: tier, values: [x]}, "
        "b: {trait: b, values: [y]}}\ncombinations: [[a, b]]",
        "3 `a` is what an account stands at, and `b` is not: no KPI is split by both at "
        "combinations; combine two of accounts (`fact`, `account_trait`, a `member` of theirs), "
        "or two others",
    ),
    "a combination of too many": (
        "segments: {"
        + ", ".join(
            f"{name}: {{property: {name}, values: [{', '.join(f'v{n}' for n in range(21))}]}}"
            for name in "ab"
        )
        + "}\ncombinations: [[a, b]]",
        "3 `a` and `b` make 441 pairs of values at combinations; at most 400 are allowed: list "
        "fewer values",
    ),
    "an unknown period": (
        "kpis: {periods: {dau: [weak]}}",
        "2 unknown period `weak` at kpis.periods.dau.0; did you mean `week`?",
    ),
    "a KPI in and out": (
        "kpis: {only: [dau, wau], without: [wau]}",
        "2 `wau` is in `only` and in `without` at kpis.without",
    ),
    "unknown KPIs in every place": (
        "kpis:\n"
        "  without: [d]\n"
        "  levels: {account: [waw]}\n"
        "  periods: {mua: [day]}\n"
        "  settings: {horizons_days: {user_retention: 3}}",
        "3 unknown KPI `d` at kpis.without.0",
        "4 unknown KPI `waw` at kpis.levels.account.0; did you mean `wau`?",
        "5 unknown KPI `mua` at kpis.periods.mua; did you mean `mau`?",
        "6 unknown KPI `user_retention` at kpis.settings.horizons_days.user_retention; "
        "did you mean `user_retention_rate`?",
    ),
    "settings that cannot be": (
        "key_tasks: {a: A}\n"
        "kpis:\n"
        "  settings: {core_tasks: [b], activation_tasks: [a], activation_tasks_min: 2,\n"
        "    cohort_days: [-1, 7], milestones: 3}",
        "4 no rule makes the key task `b` at kpis.settings.core_tasks.0; key tasks are a",
        "4 2 tasks asked for, 1 listed in `activation_tasks` at kpis.settings.activation_tasks_min",
        "5 `-1` is too small, the least is 0 at kpis.settings.cohort_days.0",
        "5 unknown key `milestones` at kpis.settings; "
        f"known are {', '.join(WrittenSettings.model_fields)}",
    ),
    "conditions that cannot be": (
        "kpis:\n"
        "  conditions:\n"
        "    duu: {since: {kind: activity}}\n"
        "    dau: {since: {kind: activty}}\n"
        "    wau: {all: [{since: {kind: activity}, dais: 3}, {not: {silent: {kind: activity}}}]}\n"
        "    mau: {times: {kind: activity}, at_least: setting.inactive_day}\n"
        "    user_retention_rate: {not: {any: [{silnt: {kind: lead}}]}}",
        "4 unknown KPI `duu` at kpis.conditions.duu; did you mean `dau`?",
        "5 the condition names an unknown fact kind `activty` at kpis.conditions.dau; "
        "did you mean `activity`?",
        "6 unknown key `dais` at kpis.conditions.wau.all.0; did you mean `days`?",
        "6 `days` is missing at kpis.conditions.wau.all.1.not; add `days: ...`",
        "7 the condition names an unknown setting `inactive_day` at kpis.conditions.mau; "
        "did you mean `inactive_days`?",
        '8 `{"silnt": {"kind": "lead"}}` says nothing that can stand here at '
        "kpis.conditions.user_retention_rate.not.any.0; did you mean `silent`?",
    ),
    "a condition in no known words": (
        "kpis: {conditions: {dau: {all: [{holds: true}]}}}",
        '2 `{"holds": true}` says nothing that can stand here at kpis.conditions.dau.all.0; '
        f"known are {', '.join(known_keys(form)[0] for form in get_args(Holds))}",
    ),
    "goals and benchmarks that cannot be": (
        "kpis:\n"
        "  settings:\n"
        "    revenue_goals: {2026-13: 5, 2026-01: 0}\n"
        "    response_benchmark_s: {eu: 0}",
        "4 `2026-13` is no month (such as `2026-03`) at kpis.settings.revenue_goals.2026-13",
        "4 `0` is too small, the least is 1 at kpis.settings.revenue_goals.2026-01",
        "5 `0` is too small, it has to be above 0.0 at kpis.settings.response_benchmark_s.eu",
    ),
    "an unknown horizon": (
        "horizon: everything",
        "2 unknown horizon `everything` at horizon; write `all` for no bound at all",
    ),
    "a horizon of nothing": (
        "horizon: {entity_days: 0}",
        "2 `0` is too small, the least is 1 at horizon.entity_days",
    ),
    "words for a duration": (
        "duplicates: {usage_window: a day}",
        "2 `a day` is no duration at duplicates.usage_window; write it as 500ms, 60s, 5m, 1h or 3d",
    ),
    "a prefix that is no topic": (
        "prefix: head water",
        "2 `head water` is no topic prefix (letters, digits, `.`, `_`, `-`) at prefix",
    ),
    "a fraction of a byte": (
        "limits: {event_bytes: 1.5}",
        "2 expected a whole number, not `1.5` at limits.event_bytes",
    ),
    "a number for a text": (
        "timezone: 1",
        '2 expected a text, not `1` at timezone; put it in quotes: `"1"`',
    ),
    "a text for a list": (
        "kpis: {only: dau}",
        "2 expected a list, not `dau` at kpis.only",
    ),
    "a text for a mapping": (
        "kpis: dau",
        "2 expected a mapping, not `dau` at kpis",
    ),
}

OWN = {
    "an id that is taken": (
        f"kpis:\n  own:{OWN_ROW.replace('id: mine', 'id: dau')}      when: {{active: P}}",
        "4 the catalogue has a KPI `dau` already at kpis.own.0; choose another id",
    ),
    "an id twice": (
        f"kpis:\n  own:{OWN_ROW}      when: {{active: P}}{OWN_ROW}      when: {{active: P}}",
        "4 two KPIs of your own have the id `mine` at kpis.own.0; choose another id",
        "14 two KPIs of your own have the id `mine` at kpis.own.1; choose another id",
    ),
    "an unknown operator": (
        f"kpis:\n  own:{OWN_ROW.replace('distinct', 'distnct')}",
        "4 unknown operator `distnct` at kpis.own.0; did you mean `distinct`?",
    ),
    "a kind for later in a row": (
        f"kpis:\n  own:{OWN_ROW}      facts: {{kind: consent}}\n      when: {{active: P}}",
        "4 the row names an unknown fact kind `consent` at kpis.own.0; did you mean `cost`?",
    ),
    "an unknown setting": (
        f"kpis:\n  own:{OWN_ROW.replace('subject: user', 'subject: account')}"
        "      when: {members: {active: P}, at_least: setting.accounts_active_users}",
        "4 the row names an unknown setting `accounts_active_users` at kpis.own.0; "
        "did you mean `accounts_active_users_min`?",
    ),
    "an unknown KPI in a formula": (
        f"kpis:\n  own:{FORMULA}      inputs: {{a: {{kpi: dao}}, b: {{kpi: wau}}}}\n"
        "      formula: {div: [a, b]}",
        "4 the row names an unknown KPI `dao` at kpis.own.0; did you mean `dau`?",
    ),
    "an unknown input in a formula": (
        f"kpis:\n  own:{FORMULA}      inputs: {{a: {{kpi: dau}}}}\n"
        "      formula: {div: [a, {add: [b, 1]}]}",
        "4 the row names an unknown input `b` at kpis.own.0; known are a",
    ),
    "a term that is none": (
        f"kpis:\n  own:{FORMULA}      inputs: {{a: {{kpi: dau}}}}\n"
        "      formula: {div: [a, [1]]}",
        '13 `{"div": ["a", [1]]}` is no term at kpis.own.0.formula; '
        "write such as `{div: [a, {add: [b, 1]}]}`",
    ),
    "a correlation of four sums": (
        f"kpis:\n  own:{FORMULA}      inputs: {{a: {{kpi: dau}}}}\n"
        "      formula: {add: [1, {pearson: [a, a, a, a]}]}",
        "4 `pearson` takes six terms at kpis.own.0; "
        "the number, and the sums of x, y, x x, x y and y y",
    ),
    "a part that is no input": (
        f"kpis:\n  own:{FORMULA}      inputs: {{a: {{kpi: dau}}}}\n"
        "      formula: a\n      shows: [b]",
        "4 the row names an unknown input `b` at kpis.own.0; known are a",
    ),
    "a row in words of no row": (
        "kpis:\n  own: [{ident: mine}]",
        "3 `operator` is missing at kpis.own.0",
    ),
    "a mistake deep in a condition": (
        f"kpis:\n  own:{OWN_ROW}      when: {{all: [{{actve: P}}]}}",
        '13 `{"actve": "P"}` says nothing that can stand here at kpis.own.0.when.all.0; '
        "did you mean `active`?",
    ),
}


@pytest.mark.parametrize(
    "case",
    [*SELECTORS.values(), *MEANINGS.values(), *THE_REST.values(), *OWN.values()],
    ids=[*SELECTORS, *MEANINGS, *THE_REST, *OWN],
)
def test_a_mistake_is_reported(case: tuple[str, ...]) -> None:
    text, *problems = case
    expect(text, *problems)


def test_a_mistake_elsewhere_does_not_make_a_reference_look_wrong() -> None:
    expect(
        "key_tasks: {a: 5}\n"
        "events: [{event: B, is: [key_task, zzz]}, {event: C, is: key_task, name: c, vale: x}]\n"
        "activation: {all_of: [a, B, c]}",
        "2 expected an event name, a mapping such as `{event: ...}`, or a list of these "
        "at key_tasks.a",
        f"3 unknown fact kind `zzz` at events.0; known are {', '.join(FACT_KINDS)}",
        "3 unknown key `vale` at events.1; did you mean `value`?",
    )


def test_any_task_may_be_named_where_events_name_tasks() -> None:
    load_plan(
        "product: T\n"
        "events: [{event: Done, is: key_task, name: {property: task}}]\n"
        "activation: {all_of: [whatever]}\n"
    )


def test_kpi_ids_of_the_plans_own_rows_are_known() -> None:
    row = OWN_ROW + "      when: {active: P}\n"
    plan = load_plan(
        f"product: T\nkpis:\n  own:{row}  only: [mine, dau]\n  levels: {{account: [mine]}}",
        known_kpis=KNOWN_KPIS,
    )
    assert plan.kpis.only == ("dau", "mine")
    assert plan.kpis.own[0].id == "mine"


def test_kpi_ids_are_not_checked_without_a_catalogue() -> None:
    assert load_plan("product: T\nkpis: {only: [anything]}").kpis.only == ("anything",)


@pytest.mark.parametrize("text", ["", "nothing: [", "- a\n- b\n", "only text\n", "a: \x01\n"])
def test_what_is_no_plan_at_all_is_one_problem(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanInvalid) as invalid:
        load_plan(file)
    assert len(invalid.value.problems) == 1


def test_bad_yaml_is_reported_with_line_and_column() -> None:
    assert problems_of("product: Test\nactivity: [a, b\nhorizon: all\n") == [
        "3 not YAML: did not find expected ',' or ']' (line 3, column 8); "
        "check indentation, quotes and brackets"
    ]


def test_a_key_written_twice_is_reported_with_the_other_mistakes() -> None:
    expect(
        "key_tasks:\n  a: A\n  b: B\n  a: C\nactivty: all\n",
        "5 `a` is written twice (also in line 3) at key_tasks.a",
        "6 unknown key `activty`; did you mean `activity`?",
    )


def test_a_key_written_twice_is_a_mistake_on_its_own() -> None:
    expect(
        "horizon: all\nhorizon: all\n", "3 `horizon` is written twice (also in line 2) at horizon"
    )


def test_a_plan_is_read_from_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(b"\xef\xbb\xbfproduct: Caf\xc3\xa9\n")
    assert load_plan(file).product == load_plan(str(file)).product == "Café"


def test_a_file_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(b"product: Caf\xe9\n")
    with pytest.raises(PlanInvalid, match=r"not UTF-8 text \(byte 12\)"):
        load_plan(file)


def test_the_exception_reads_as_a_list_of_lines() -> None:
    with pytest.raises(PlanInvalid) as invalid:
        load_plan("product: T\nhorizn: all\n")
    assert str(invalid.value) == "line 2: unknown key `horizn`; did you mean `horizon`?"
