"""Examples of rows about the use of the product: who is active, activated, retained."""

from tests.streams.examples import Example

USE = {
    "declining_users": Example(
        """01-01..01-10 09:00 | Used | u1..u2 | a1
           02-01..02-05 09:00 | Used | u1     | a1
           02-01..02-06 09:00 | Used | u2     | a1""",
        """day 02-28 = 1
           day 01-20 = 0""",
    ),
    "inactive_users": Example(
        """03-01 12:00 | Used | u1 | a1
           03-02 12:00 | Used | u2 | a2""",
        """day 03-30 = 0
           day 03-31 = 1
           day 04-01 = 2""",
        "04-03",
    ),
    "fast_to_value_users": Example(
        """03-01 09:00         | Used   | u1..u2 | a1
           03-02 09:00         | Bought | u1     | a1
           03-02 09:00:00.001  | Bought | u2     | a1""",
        """day 03-01 = 0
           day 03-02 = 1""",
    ),
    "slow_to_value_users": Example(
        """03-01 09:00 | Used   | u1 | a1
           03-10 09:00 | Bought | u1 | a1""",
        """day 03-07 = 0
           day 03-08 = 1
           day 03-09 = 1
           day 03-10 = 0""",
    ),
    "churn_risk_accounts": Example(
        """02-01 00:00 | subscription =5000 |    | a1
           03-01 08:00 | Used               | u1 | a1
           03-20 08:00 | Used               | u2 | a1
           02-01 00:00 | subscription =0    |    | a2
           03-01 08:00 | Used               | u3 | a2""",
        """day 03-14 = 0
           day 03-15 = 1
           day 03-19 = 1
           day 03-20 = 0""",
    ),
    "nps_promoters": Example(
        """03-01 09:00 | survey =9 kind:nps scale:10 | u1 | a1
           03-05 09:00 | survey =6 kind:nps scale:10 | u1 | a1
           03-01 09:00 | survey =5 kind:csat scale:5 | u2 | a1""",
        """day 03-01 = 1
           day 03-04 = 1
           day 03-05 = 0""",
    ),
    "nps_detractors": Example(
        """03-01 09:00 | survey =9 kind:nps scale:10 | u1 | a1
           03-05 09:00 | survey =6 kind:nps scale:10 | u1 | a1""",
        """day 03-04 = 0
           day 03-05 = 1""",
    ),
    "dau": Example(
        """03-01 09:00        | Used | u1 | a1
           03-01 10:00        | Used | u1 | a2
           03-01 23:59:59.999 | Used | u2 | a1
           03-02 00:00        | Used | u3 | a1""",
        "day 03-01 = 2",
    ),
    "wau": Example(
        """03-01 09:00 | Used | u1 | a1
           03-07 09:00 | Used | u1 | a1
           03-02 09:00 | Used | u2 | a1""",
        """trailing_7d 03-07 = 2
           trailing_7d 03-08 = 2
           trailing_7d 03-09 = 1
           week 03-02 = 2""",
    ),
    "mau": Example(
        """03-01 09:00 | Used | u1 | a1
           03-30 09:00 | Used | u2 | a1""",
        """trailing_30d 03-30 = 2
           trailing_30d 03-31 = 1
           month 03-01 = 2""",
    ),
    "active_accounts": Example(
        """03-01 09:00 | Used | u1..u2 | a1
           03-01 10:00 | Used | u1     | a2
           03-01 11:00 | Used | u3     |""",
        "day 03-01 = 2",
    ),
    "active_users_growth": Example(
        """02-10 09:00 | Used | u1..u40  | a1
           03-10 09:00 | Used | u31..u80 | a1""",
        """month 03-01 = 0.25
           month 02-01 = null""",
    ),
    "stickiness": Example(
        """03-30 09:00 | Used | u1..u2 | a1
           03-05 09:00 | Used | u3..u4 | a1""",
        "day 03-30 = 0.5",
    ),
    "average_stickiness": Example(
        """03-01..03-30 09:00 | Used | u1 | a1
           03-01..03-15 09:00 | Used | u2 | a1""",
        "trailing_30d 03-30 = 0.75",
    ),
    "active_days_per_user": Example(
        """03-02 09:00 | Used | u1 | a1
           03-03 09:00 | Used | u1 | a1
           03-02 10:00 | Used | u2 | a1
           03-02 11:00 | Used | u2 | a1""",
        "week 03-02 = 1.5",
    ),
    "sessions": Example(
        """03-01 23:50 | Session Started | u1     | a1
           03-02 08:00 | Session Started | anon:x |""",
        """day 03-01 = 1
           day 03-02 = 1
           hour 03-01 23:00 = 1""",
    ),
    "core_actions": Example(
        """03-02 09:00 | Bought | u1 | a1
           03-03 09:00 | Bought | u1 | a1
           03-04 09:00 | Bought | u2 | a1
           03-04 10:00 | Viewed | u2 | a1
           03-04 11:00 | Shared | u2 | a1""",
        "week 03-02 = 3",
    ),
    "new_signups": Example(
        """03-01 09:00 | Signed Up | u1 | a1
           03-05 09:00 | Signed Up | u1 | a1
           03-05 10:00 | Signed Up | u2 | a1""",
        """day 03-01 = 1
           day 03-05 = 1""",
    ),
    "lifecycle_new": Example(
        """03-03 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1
           03-01 09:00 | Used | u2 | a1""",
        """day 03-03 = 1
           day 03-04 = 0
           day 03-05 = 0""",
    ),
    "lifecycle_returning": Example(
        """03-01 09:00 | Used | u1 | a1
           03-02 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1""",
        """day 03-02 = 1
           day 03-04 = 0""",
    ),
    "lifecycle_resurrecting": Example(
        """03-01 09:00 | Used | u1 | a1
           03-04 09:00 | Used | u1 | a1""",
        """day 03-04 = 1
           day 03-01 = 0""",
    ),
    "lifecycle_dormant": Example(
        "03-01 09:00 | Used | u1 | a1",
        """day 03-02 = 1
           day 03-03 = 0""",
    ),
    "lifecycle_quick_ratio": Example(
        # u1 and u2 resurrect on the 5th, u3 to u8 are new then, u9 to u12 were there the day before
        """03-01 09:00 | Used | u1..u2  | a1
           03-04 09:00 | Used | u9..u12 | a1
           03-05 09:00 | Used | u1..u8  | a1""",
        "day 03-05 = 2",
    ),
    "action_to_activation_lag": Example(
        """03-01 10:00 | Signed Up | u1 | a1
           03-01 10:30 | Activated | u1 | a1
           03-01 11:00 | Signed Up | u2 | a1
           03-01 11:00 | Activated | u3 | a1
           03-01 12:30 | Activated | u2 | a1""",
        """day 03-01 = 3600
           day 03-01 .median = 3600
           day 03-01 .mean = 3600
           day 03-01 .p90 = 5040
           day 03-01 .n = 2""",
    ),
    "activated_users_growth": Example(
        """03-02 09:00 | Activated | u1..u20  | a1
           03-10 09:00 | Activated | u21..u35 | a1
           03-11 09:00 | Activated | u1..u20  | a1""",
        """week 03-09 = -0.25
           week 03-16 = -1
           week 03-23 = null""",
    ),
    "activated_users": Example(
        """03-01 09:00 | Activated | u1 | a1
           03-02 09:00 | Activated | u1 | a1
           03-02 10:00 | Activated | u2 | a1""",
        """day 03-01 = 1
           day 03-02 = 1""",
    ),
    "activation_rate": Example(
        """03-01 09:00 | Signed Up | u1..u4 | a1
           03-03 09:00 | Activated | u1     | a1
           03-14 09:00 | Activated | u2     | a1
           03-15 09:00 | Activated | u3     | a1""",
        "day 03-01 = 0.5",
    ),
    "key_activation_tasks_rate": Example(
        """03-01 09:00 | Signed Up | u1..u5 | a1
           03-02 09:00 | Bought    | u1..u2 | a1
           03-03 09:00 | Invited   | u1     | a1
           03-04 09:00 | Shared    | u1     | a1""",
        "day 03-01 = 0.4",
    ),
    "cohort_retention": Example(
        """03-01 09:00 | Signed Up | u1..u2 | a1
           03-02 09:00 | Used      | u1     | a1
           03-03 09:00 | Used      | u2     | a1""",
        "[n=1] day 03-01 = 0.5",
    ),
    "user_retention_rate": Example(
        """02-10 09:00 | Used | u1..u10 | a1
           03-10 09:00 | Used | u4..u15 | a1""",
        "month 03-01 = 0.7",
    ),
    "user_churn_rate": Example(
        """02-10 09:00 | Used | u1..u10 | a1
           03-10 09:00 | Used | u4..u10 | a1""",
        "month 03-01 = 0.3",
    ),
    "accounts_3plus_activated_rate": Example(
        """03-01 09:00 | Used      | u1..u3 | a1
           03-01 10:00 | Activated | u1..u3 | a1
           03-01 09:00 | Used      | u4..u6 | a2
           03-01 10:00 | Activated | u4..u5 | a2
           03-01 10:00 | Activated | u6     | a1""",
        "day 03-01 = 0.5",
    ),
    "accounts_3plus_active": Example(
        """03-01 09:00 | Used | u1     | a1
           03-03 09:00 | Used | u2     | a1
           03-07 09:00 | Used | u3     | a1
           03-02 09:00 | Used | u1..u2 | a2""",
        """trailing_7d 03-07 = 1
           trailing_7d 03-08 = 0""",
    ),
    "account_user_milestones": Example(
        """03-01 09:00 | Used | u1 | a1
           03-01 09:05 | Used | u2 | a1
           03-01 10:00 | Used | u3 | a1
           03-01 10:05 | Used | u4 | a1""",
        """[users=3] day 03-01 = 1
           signal [users=3] at 03-01 10:00 by u3 in a1""",
    ),
    "account_activated_user_milestones": Example(
        """03-01 09:00 | Activated | u1 | a1
           03-01 11:00 | Activated | u2 | a1
           03-01 12:00 | Activated | u3 | a1""",
        """[users=3] day 03-01 = 1
           signal [users=3] at 03-01 12:00 by u3 in a1""",
    ),
}
