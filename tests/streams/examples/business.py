"""Examples of rows about facts that carry values and attributes: money, leads, tickets, outcomes.

An event is a kind, then a name, `=value` and `attribute:value` where the fact has them.
"""

from tests.streams.examples import Example

BUSINESS = {
    "usage_time": Example(
        """03-02 09:00 | session =60000 | u1 | a1
           03-02 23:59 | session =90500 | u2 | a1
           03-02 12:00 | session =5000  |    | a1""",
        "day 03-02 = 150.5",
    ),
    "average_session_time": Example(
        """03-02 09:00 | session =60000 | u1 | a1
           03-02 10:00 | session =90000 | u2 | a1
           03-02 11:00 | session        | u2 | a1""",
        """day 03-02 = 75
           day 03-02 .n = 2
           day 03-03 = null""",
    ),
    "core_tasks_per_user": Example(
        """03-02..03-05 09:00 | Bought | u1 | a1
           03-06 09:00        | Bought |    | a1
           03-07 09:00        | Used   | u1..u2 | a1""",
        "month 03-01 = 2",
    ),
    "feature_uses": Example(
        """03-02 09:00 | feature report | u1 | a1
           03-02 10:00 | feature report | u1 | a1
           03-02 11:00 | feature report | u1 | a1
           03-02 11:00 | feature report | u2 | a1
           03-02 11:00 | feature share  | u2 | a1""",
        """[feature=report] day 03-02 = 4
           [feature=share] day 03-02 = 1
           day 03-02 = 5
           [feature=report] hour 03-02 11:00 = 2""",
    ),
    "product_adoption_rate": Example(
        """03-01 09:00 | Signed Up | u1..u2 | a1
           03-03 09:00 | Bought    | u1     | a1
           03-31 09:00 | Bought    | u2     | a1""",
        "day 03-01 = 0.5",
        "04-02",
    ),
    "top_activation_feature_rate": Example(
        """03-01 09:00 | Signed Up     | u1..u10 | a1
           03-02 09:00 | feature board | u1..u5  | a1
           03-08 08:59 | feature invites | u6    | a1
           03-08 09:00 | feature board | u7      | a1
           03-02 09:00 | feature other | u8      | a1""",
        "day 03-01 = 0.6",
    ),
    "time_to_value": Example(
        """03-01 09:00 | Used          | u1 | a1
           03-01 09:20 | outcome sale =1 | u1 | a1
           03-01 09:30 | Bought        | u1 | a1
           03-01 08:00 | Bought        | u1 | a1""",
        "day 03-01 = 1200",
    ),
    "onboarding_time": Example(
        """03-01 00:00 | Signed Up | u1 | a1
           03-01 10:00 | Bought    | u1 | a1
           03-02 00:00 | Invited   | u2 | a1
           03-03 00:00 | Shared    | u3 | a1
           02-28 00:00 | Shared    | u3 | a1
           03-01 00:00 | Signed Up | u9 | a2
           03-01 10:00 | Bought    | u9 | a2""",
        """month 03-01 = 172800
           month 03-01 .n = 1
           month 03-01 .km_median = 172800""",
    ),
    "onboarding_completion_rate": Example(
        """03-01 00:00 | Signed Up | u1 | a1
           03-13 00:00 | Bought    | u1 | a1
           03-13 00:00 | Invited   | u2 | a1
           03-13 00:00 | Shared    | u1 | a1
           03-01 00:00 | Signed Up | u3 | a2
           03-13 00:00 | Bought    | u3 | a2
           03-13 00:00 | Invited   | u3 | a2
           04-01 00:00 | Shared    | u3 | a2
           03-01 00:00 | Signed Up | u4 | a3""",
        "month 03-01 = 0.3333333333333333",
        "05-10",
    ),
    "trial_key_actions_all_rate": Example(
        """03-01 00:00 | trial status:started | | a1
           03-05 00:00 | Bought  | u1 | a1
           03-05 00:00 | Invited | u2 | a1
           03-01 00:00 | trial status:started | | a2
           03-05 00:00 | Bought  | u3 | a2
           03-08 00:00 | trial status:ended | | a2
           03-08 00:00 | Invited | u3 | a2""",
        "day 03-01 = 0.5",
    ),
    "trial_to_paid_rate": Example(
        """03-01 00:00 | trial status:started | | a1
           03-01 00:00 | trial status:started | | a2
           03-01 00:00 | trial status:started | | a3
           03-01 00:00 | trial status:started | | a4
           02-01 00:00 | subscription =500 | | a4
           03-10 00:00 | subscription =0   | | a1
           03-11 00:00 | subscription =500 | | a1
           03-31 00:00 | subscription =500 | | a2""",
        "day 03-01 = 0.3333333333333333",
        "04-10",
    ),
    "free_to_paid_rate": Example(
        """03-01 00:00 | plan_change tier:free | | a1
           03-01 00:00 | plan_change tier:free | | a2
           03-01 00:00 | plan_change tier:free | | a3
           02-01 00:00 | subscription =500 | | a3
           05-29 00:00 | subscription =500 | | a1
           05-30 00:00 | subscription =500 | | a2""",
        "month 03-01 = 0.5",
        "07-10",
    ),
    "account_retention": Example(
        """03-01 09:00 | Signed Up | u1 | a1
           03-01 09:00 | Signed Up | u2 | a2
           03-01 09:00 | Signed Up | u3 | a3
           03-01 09:00 | Signed Up | u4 | a4
           03-02 09:00 | Used      | u9 | a1
           03-02 09:00 | Used      |    | a2
           03-02 09:00 | Used      | u1 | a3
           03-03 09:00 | Used      | u4 | a4""",
        "[n=1] month 03-01 = 0.75",
        "05-10",
    ),
    "referrals_sent": Example(
        """03-02 09:00 | referral r1 status:sent | u1 | a1
           03-02 10:00 | referral r2 status:sent | u1 | a1
           03-02 11:00 | referral r3 status:sent | u2 | a1
           03-02 12:00 | referral r3 status:converted | u2 | a1""",
        "day 03-02 = 3",
    ),
    "opportunities_total": Example(
        """03-02 09:00 | opportunity o1 status:opened kind:upsell | | a1
           03-03 09:00 | opportunity o2 status:opened kind:upsell | | a1
           03-04 09:00 | opportunity o3 status:opened kind:upsell | | a2
           03-05 09:00 | opportunity o4 status:opened kind:cross_sell | |
           03-06 09:00 | opportunity o4 status:lost kind:cross_sell | | a2
           03-07 09:00 | opportunity o4 status:opened kind:upsell | | a2""",
        """month 03-01 = 4
           [kind=upsell] month 03-01 = 3
           [kind=cross_sell] month 03-01 = 1
           year_to_date 03-04 = 3""",
    ),
    "opportunities_converted": Example(
        """02-10 09:00 | opportunity o1 status:opened kind:upsell | | a1
           03-02 09:00 | opportunity o1 status:converted kind:upsell =100 | | a1
           03-03 09:00 | opportunity o1 status:converted kind:upsell =100 | | a1""",
        "month 03-01 = 1",
    ),
    "opportunity_conversion_rate": Example(
        """03-02 09:00 | opportunity o1 status:opened | | a1
           03-02 09:00 | opportunity o2 status:opened | | a1
           03-02 09:00 | opportunity o3 status:opened | | a1
           03-02 09:00 | opportunity o4 status:opened | | a1
           05-31 08:59 | opportunity o1 status:converted | | a1
           05-31 09:00 | opportunity o2 status:converted | | a1""",
        "month 03-01 = 0.25",
        "07-10",
    ),
    "referral_conversion_rate": Example(
        """03-02 09:00 | referral r1 status:sent | u1 | a1
           03-02 09:00 | referral r2 status:sent | u1 | a1
           03-02 09:00 | referral r3 status:sent | u1 | a1
           03-02 09:00 | referral r4 status:sent | u1 | a1
           03-02 09:00 | referral r5 status:sent | u1 | a1
           03-05 09:00 | referral r1 status:converted | u5 | a9
           03-31 09:00 | referral r2 status:converted | u6 | a8
           04-01 09:00 | referral r3 status:converted | u7 | a7""",
        "month 03-01 = 0.4",
        "05-10",
    ),
    "revenue": Example(
        """03-02 09:00 | payment =5000 type:recurring | | a1
           03-03 09:00 | payment =1000 type:one_off   | | a2
           03-04 09:00 | payment =-500 type:one_off   | | a2""",
        """month 03-01 = 5500
           day 03-04 = -500""",
    ),
    "revenue_ytd": Example(
        """2025-12-31 09:00 | payment =100 | | a1
           01-01 09:00 | payment =200 | | a1
           01-02 09:00 | payment =300 | | a1""",
        """year_to_date 01-02 = 500
           year_to_date 01-01 = 200
           year_to_date 03-01 = 500""",
    ),
    "revenue_growth": Example(
        """02-10 09:00 | payment =4000 | | a1
           03-10 09:00 | payment =5000 | | a1""",
        """month 03-01 = 0.25
           month 02-01 = null""",
    ),
    "revenue_growth_yoy": Example(
        """2025-03-10 09:00 | payment =4000 | | a1
           03-10 09:00 | payment =5000 | | a1""",
        """month 03-01 = 0.25
           day 03-10 = 0.25
           year_to_date 03-31 = 0.25
           month 02-01 = null""",
    ),
    "recurring_revenue": Example(
        """03-02 09:00 | payment =5000 type:recurring | | a1
           03-02 09:00 | payment =1000 type:one_off | | a1""",
        "month 03-01 = 5000",
    ),
    "one_off_revenue": Example(
        """03-02 09:00 | payment =5000 type:recurring | | a1
           03-02 09:00 | payment =1000 type:one_off | | a1""",
        "month 03-01 = 1000",
    ),
    "margin": Example(
        """03-02 09:00 | payment =5000 | | a1
           03-02 09:00 | cost =6000 type:serving | | a1
           03-02 09:00 | cost =1000 type:other | |""",
        "month 03-01 = -2000",
    ),
    "margin_rate": Example(
        """03-02 09:00 | payment =5000 | | a1
           03-02 09:00 | cost =2000 type:serving | | a1
           02-02 09:00 | cost =2000 type:serving | | a1""",
        """month 03-01 = 0.6
           month 02-01 = null""",
    ),
    "margin_growth": Example(
        """02-02 09:00 | payment =1000 | | a1
           03-02 09:00 | payment =1500 | | a1
           03-02 09:00 | cost =300 type:other | | a1""",
        """month 03-01 = 0.2
           year_to_date 03-02 = null""",
    ),
    "support_cost": Example(
        """03-02 09:00 | cost =300 type:serving | | a1
           03-02 10:00 | cost =200 type:support | |
           03-02 11:00 | cost =900 type:other | | a1""",
        "month 03-01 = 500",
    ),
    "customer_roi": Example(
        """03-02 09:00 | payment =1500 | | a1
           03-02 09:00 | cost =500 type:support | | a1""",
        """month 03-01 = 2
           month 04-01 = null""",
    ),
    "initial_contract_value": Example(
        """03-02 09:00 | subscription =0 | | a1
           03-03 09:00 | subscription =1000 | | a1
           03-04 09:00 | subscription =9000 | | a1
           03-03 09:00 | subscription =3000 | | a2""",
        "month 03-01 = 24000",
    ),
    "cac": Example(
        """03-02 09:00 | spend =60000 type:marketing campaign:x | |
           03-03 09:00 | spend =40000 type:sales | |
           03-03 09:00 | spend =77777 type:other | |
           03-04 09:00 | subscription =10 | | a1
           03-05 09:00 | subscription =20 | | a1
           03-04 09:00 | subscription =10 | | a2
           03-04 09:00 | subscription =10 | | a3
           03-04 09:00 | subscription =10 | | a4""",
        """month 03-01 = 25000
           month 04-01 = null""",
    ),
    "cac_payback_months": Example(
        """03-02 09:00 | spend =100000 type:marketing | |
           03-04 09:00 | subscription =4000 | | a1
           03-05 09:00 | subscription =9000 | | a1
           03-04 09:00 | subscription =6000 | | a2""",
        "month 03-01 = 10",
    ),
    "mrr": Example(
        """03-01 09:00     | subscription =5000 | | a1
           03-31 23:59     | subscription =8000 | | a1
           04-01 00:00     | subscription =2000 | | a2""",
        """month 03-01 = 8000
           day 03-30 = 5000
           day 04-01 = 10000""",
    ),
    "paying_accounts": Example(
        """03-01 09:00 | subscription =5000 | | a1
           03-01 09:00 | subscription =3000 | | a2
           03-01 09:00 | subscription =0    | | a3
           03-05 09:00 | subscription =0    | | a2""",
        """day 03-04 = 2
           day 03-05 = 1
           month 03-01 = 1""",
    ),
    "arpa": Example(
        """03-02 09:00 | subscription =5000 | | a1
           03-02 09:00 | subscription =3000 | | a2
           03-02 09:00 | subscription =0    | | a3
           03-01 09:00 | Used               | | a1""",
        """month 03-01 = 4000
           day 03-01 = null""",
    ),
    "mrr_new": Example(
        """02-10 09:00 | subscription =100  | | a2
           02-11 09:00 | subscription =0    | | a2
           03-10 09:00 | subscription =5000 | | a1
           03-11 09:00 | subscription =300  | | a2""",
        """month 03-01 = 5000
           month 04-01 = 0""",
    ),
    "mrr_reactivation": Example(
        """01-10 09:00 | subscription =2000 | | a1
           02-10 09:00 | subscription =0    | | a1
           03-10 09:00 | subscription =3000 | | a1
           03-10 09:00 | subscription =7000 | | a2""",
        """month 03-01 = 3000
           month 01-01 = 0""",
    ),
    "mrr_expansion": Example(
        """02-10 09:00 | subscription =1000 | | a1
           03-10 09:00 | subscription =1500 | | a1
           02-10 09:00 | subscription =1000 | | a2
           03-10 09:00 | subscription =400  | | a2
           03-10 09:00 | subscription =400  | | a3""",
        """month 03-01 = 500
           month 04-01 = 0""",
    ),
    "mrr_contraction": Example(
        """02-10 09:00 | subscription =1000 | | a1
           03-10 09:00 | subscription =1500 | | a1
           02-10 09:00 | subscription =1000 | | a2
           03-10 09:00 | subscription =400  | | a2
           02-10 09:00 | subscription =900  | | a3
           03-10 09:00 | subscription =0    | | a3""",
        "month 03-01 = 600",
    ),
    "mrr_churn": Example(
        """02-10 09:00 | subscription =1000 | | a1
           03-10 09:00 | subscription =0    | | a1
           02-10 09:00 | subscription =1000 | | a2
           03-10 09:00 | subscription =400  | | a2""",
        "month 03-01 = 1000",
    ),
    "ltv": Example(
        """02-10 09:00 | subscription =100000 | | a1
           02-10 09:00 | subscription =200000 | | a2
           02-10 09:00 | subscription =200000 | | a3
           03-10 09:00 | subscription =0      | | a1
           03-10 09:00 | subscription =0      | | a2""",
        """month 03-01 = 250000
           month 04-01 = null""",
    ),
    "ltv_cac": Example(
        """02-10 09:00 | subscription =500000 | | a1
           02-10 09:00 | subscription =10     | | a2
           02-11 09:00 | subscription =0      | | a2
           03-10 09:00 | subscription =0      | | a1
           03-10 09:00 | subscription =1      | | a3
           03-10 09:00 | spend =100000 type:marketing | |
           04-10 09:00 | spend =100000 type:marketing | |""",
        """month 03-01 = 5
           month 04-01 = null""",
    ),
    "subscription_churn_rate": Example(
        """02-10 09:00 | subscription =10 | | a1
           02-10 09:00 | subscription =10 | | a2
           02-10 09:00 | subscription =10 | | a3
           02-10 09:00 | subscription =10 | | a4
           03-10 09:00 | subscription =0  | | a1
           03-10 09:00 | subscription =0  | | a2
           03-30 09:00 | subscription =10 | | a2""",
        """month 03-01 = 0.25
           month 02-01 = null
           year_to_date 03-31 = null""",
    ),
    "crr": Example(
        """2025-12-10 09:00 | subscription =10 | | a1
           2025-12-10 09:00 | subscription =10 | | a2
           03-10 09:00 | subscription =0  | | a1
           03-10 09:00 | subscription =10 | | a3""",
        """month 03-01 = 0.5
           month 02-01 = 1
           year_to_date 03-09 = 1
           year_to_date 03-10 = 0.5""",
    ),
    "drr": Example(
        """02-10 09:00 | subscription =1000 | | a1
           03-10 09:00 | subscription =1500 | | a1
           02-10 09:00 | subscription =1000 | | a2
           03-10 09:00 | subscription =400  | | a2""",
        "month 03-01 = 0.7",
    ),
    "nrr": Example(
        """02-10 09:00 | subscription =1000 | | a1
           03-10 09:00 | subscription =1500 | | a1
           02-10 09:00 | subscription =1000 | | a2
           03-10 09:00 | subscription =0    | | a2
           03-10 09:00 | subscription =900  | | a3""",
        "month 03-01 = 0.75",
    ),
    "expansion_revenue": Example(
        """03-02 09:00 | subscription =5000 | | a1
           03-03 09:00 | subscription =8000 kind:upsell | | a1
           03-04 09:00 | subscription =7000 | | a1
           03-03 09:00 | subscription =4000 | | a2""",
        """month 03-01 = 3000
           [kind=upsell] day 03-03 = 3000
           year_to_date 03-02 = 0""",
    ),
    "customers_total": Example(
        """03-02 09:00 | plan_change tier:paid  | | a1
           03-02 09:00 | plan_change tier:trial | | a2
           03-03 09:00 | plan_change tier:free  | | a2
           03-02 09:00 | plan_change tier:trial | | a3
           03-02 09:00 | plan_change tier:paid  | | a4
           03-04 09:00 | plan_change tier:ended | | a4""",
        """day 03-02 = 2
           day 03-04 = 2
           month 03-01 = 2""",
    ),
    "new_customers": Example(
        """03-02 09:00 | plan_change tier:free | | a1
           03-09 09:00 | plan_change tier:paid | | a1
           03-03 09:00 | plan_change tier:paid | | a2
           03-03 09:00 | plan_change tier:trial | | a3""",
        "month 03-01 = 2",
    ),
    "new_customers_yoy": Example(
        """2025-03-09 09:00 | plan_change tier:free | | a1
           2025-03-09 10:00 | plan_change tier:free | | a2
           03-02 09:00 | plan_change tier:free | | a3
           03-02 09:00 | plan_change tier:free | | a4
           03-03 09:00 | plan_change tier:paid | | a5""",
        """month 03-01 = 0.5
           month 02-01 = null""",
    ),
    "new_leads": Example(
        """03-02 09:00 | lead l1 status:created source:event | |
           03-02 10:00 | lead l2 status:created source:web | | a1
           03-03 09:00 | lead l1 status:created source:web | | a2""",
        "week 03-02 = 2",
    ),
    "lead_potential": Example(
        """03-02 09:00 | lead l1 status:created =1000 | |
           03-03 09:00 | lead l1 status:created =9000 | |
           03-02 09:00 | lead l2 status:created =3000 | |
           03-02 09:00 | lead l3 status:created | |""",
        "week 03-02 = 2000",
    ),
    "new_mqls": Example(
        """02-10 09:00 | lead l1 status:created | |
           03-03 09:00 | lead l1 status:mql | |""",
        "month 03-01 = 1",
    ),
    "new_sqls": Example(
        """03-05 09:00 | lead l1 status:sql | |
           03-09 09:00 | lead l1 status:sql | |""",
        "month 03-01 = 1",
    ),
    "lead_to_mql_rate": Example(
        """03-02 09:00 | lead l1 status:created | |
           03-02 09:00 | lead l2 status:created | |
           03-02 09:00 | lead l3 status:created | |
           03-02 09:00 | lead l4 status:created | |
           03-02 09:00 | lead l5 status:created | |
           03-09 09:00 | lead l1 status:mql | | a1
           05-31 08:59 | lead l2 status:mql | | a2
           05-31 09:00 | lead l3 status:mql | | a3""",
        "week 03-02 = 0.4",
        "07-10",
    ),
    "mql_to_sql_rate": Example(
        """03-02 09:00 | lead l1 status:mql | |
           03-02 09:00 | lead l2 status:mql | |
           03-02 09:00 | lead l3 status:mql | |
           03-02 09:00 | lead l4 status:mql | |
           03-09 09:00 | lead l1 status:sql | |""",
        "week 03-02 = 0.25",
        "07-10",
    ),
    "lead_to_customer_rate": Example(
        """03-02 09:00 | lead l1 status:created | |
           03-02 09:00 | lead l2 status:created | |
           08-28 09:00 | lead l1 status:customer | |
           08-29 09:00 | lead l2 status:customer | |""",
        "week 03-02 = 0.5",
        "09-10",
    ),
    "lead_stage_time": Example(
        """03-01 09:00 | lead l1 status:created | |
           03-03 09:00 | lead l1 status:mql | |
           03-11 09:00 | lead l1 status:customer | | a1""",
        """[stage=mql] month 03-01 = 172800
           [stage=customer] month 03-01 = 864000
           [stage=sql] month 03-01 = null""",
    ),
    "campaign_pipeline": Example(
        """03-02 09:00 | lead l1 status:created =1000 campaign:spring | |
           03-02 10:00 | lead l2 status:created =2000 campaign:spring | |
           03-02 11:00 | lead l3 status:created =500 | |
           03-03 11:00 | lead l3 status:created =700 campaign:spring | |""",
        "week 03-02 = 3000",
    ),
    "reach": Example(
        """03-02 09:00 | awareness reach =1000 campaign:a | |
           03-02 10:00 | awareness reach =500 campaign:b | |
           03-02 10:00 | awareness mention =7 campaign:b | |""",
        "day 03-02 = 1500",
    ),
    "qualified_reach": Example(
        "03-02 09:00 | awareness qualified_reach =300 | |",
        "day 03-02 = 300",
    ),
    "mentions": Example(
        """03-02 09:00 | awareness mention | |
           03-02 10:00 | awareness mention | |
           03-02 11:00 | awareness mention =5 | |""",
        "day 03-02 = 7",
    ),
    "guide_views": Example(
        """03-02 09:00 | guide tour status:viewed kind:guide | u1 | a1
           03-02 10:00 | guide tour status:viewed kind:guide | u1 | a1
           03-02 11:00 | guide tour status:viewed kind:guide | u2 | a1
           03-02 11:00 | guide tour status:shown kind:guide  | u2 | a1
           03-02 11:00 | guide help status:viewed kind:resource_center | u2 | a1""",
        """[guide=tour] day 03-02 = 3
           day 03-02 = 3""",
    ),
    "leads_per_spend": Example(
        """03-02 09:00 | lead l1 status:created | |
           03-02 09:00 | lead l2 status:created | |
           03-02 09:00 | spend =10000 type:marketing | |
           03-02 09:00 | spend =90000 type:sales | |""",
        """month 03-01 = 0.0002
           month 04-01 = null""",
    ),
    "expansion_revenue_per_spend": Example(
        """03-02 09:00 | opportunity o1 status:converted =60000 | | a1
           03-03 09:00 | opportunity o1 status:converted =90000 | | a1
           03-02 09:00 | spend =20000 type:marketing goal:expansion | |
           03-02 09:00 | spend =11111 type:marketing goal:acquisition | |""",
        "month 03-01 = 3",
    ),
    "opportunities_per_spend": Example(
        """03-02 09:00 | opportunity o1 status:opened | | a1
           03-03 09:00 | opportunity o2 status:opened | | a1
           03-02 09:00 | spend =4000 type:marketing goal:expansion | |""",
        "month 03-01 = 0.0005",
    ),
    "csat": Example(
        """03-02 09:00 | survey =5 kind:csat scale:5 | u1 | a1
           03-02 10:00 | survey =4 kind:csat scale:5 | u1 | a1
           03-02 11:00 | survey =3 kind:csat scale:5 | u1 | a1
           03-02 12:00 | survey =1 kind:csat scale:5 |    | a1
           03-02 12:00 | survey =5 kind:nps scale:10 | u1 | a1""",
        """week 03-02 = 0.5
           week 03-09 = null""",
    ),
    "ces": Example(
        """03-02 09:00 | survey =7 kind:ces scale:7 | u1 | a1
           03-02 10:00 | survey =3 kind:ces scale:6 | u1 | a1
           03-02 10:00 | survey =3 kind:ces | u1 | a1""",
        """week 03-02 = 75
           week 03-02 .n = 2""",
    ),
    "client_satisfaction": Example(
        """03-02 09:00 | survey =4 kind:client scale:5 | u1 | a1
           03-02 10:00 | survey =5 kind:client scale:5 |    | a1""",
        "month 03-01 = 90",
    ),
    "positive_reviews": Example(
        """03-02 09:00 | survey =5 kind:review scale:5 | u1 | a1
           03-02 10:00 | survey =4 kind:review scale:5 | u2 | a1
           03-02 11:00 | survey =2 kind:review scale:5 | u3 | a1""",
        "week 03-02 = 2",
    ),
    "tickets_created": Example(
        """03-02 09:00 | ticket t1 status:created | u1 | a1
           03-03 09:00 | ticket t1 status:created | u1 | a1""",
        """day 03-02 = 1
           day 03-03 = 0
           hour 03-02 09:00 = 1""",
    ),
    "first_response_time": Example(
        """03-02 10:00 | ticket t1 status:created | u1 | a1
           03-02 10:30 | ticket t1 status:first_response | | a1
           03-02 11:30 | ticket t1 status:first_response | | a1
           03-02 12:00 | ticket t2 status:first_response | | a1
           03-02 12:00 | ticket t3 status:created | u1 | a1""",
        """day 03-02 = 1800
           day 03-02 .n = 1
           day 03-03 = null""",
    ),
    "response_time": Example(
        """03-02 09:00 | response_time =200 | |
           03-02 09:10 | response_time =400 | |
           03-02 09:20 | response_time =900 | |""",
        """day 03-02 = 0.5
           hour 03-02 09:00 = 0.5
           day 03-02 .median = 0.4
           day 03-02 .p90 = 0.8
           day 03-03 = null""",
    ),
    "defects_new": Example(
        """03-02 09:00 | incident d1 kind:defect status:opened severity:critical | |
           03-02 09:10 | incident d2 kind:defect status:opened severity:minor | |
           03-03 09:20 | incident d1 kind:defect status:opened severity:critical | |
           03-03 09:20 | incident x kind:downtime status:started | |""",
        "month 03-01 = 2",
    ),
    "defect_resolve_time": Example(
        """03-02 09:00 | incident d1 kind:defect status:opened severity:critical | |
           03-02 10:00 | incident d1 kind:defect status:resolved severity:critical | |
           03-02 09:00 | incident d2 kind:defect status:opened severity:critical | |
           03-02 12:00 | incident d2 kind:defect status:resolved severity:critical | |""",
        "week 03-02 = 7200",
    ),
    "downtime_frequency": Example(
        """03-01 23:50 | incident x kind:downtime status:started | |
           03-02 00:20 | incident x kind:downtime status:ended | |
           03-02 08:00 | incident y kind:downtime status:started | |""",
        """day 03-01 = 1
           day 03-02 = 1""",
    ),
    "user_achieved_value": Example(
        """03-02 09:00 | outcome time_saved =3600 | u1 | a1
           03-02 10:00 | outcome time_saved =1800 | u2 | a1
           03-02 11:00 | outcome cost_reduced =500 | u2 | a1""",
        """[kind=time_saved] day 03-02 = 5400
           [kind=cost_reduced] day 03-02 = 500""",
    ),
    "time_saved": Example(
        """03-02 09:00 | outcome time_saved =7200 | u1 | a1
           03-02 10:00 | outcome time_saved =1800 | u2 | a1""",
        "week 03-02 = 9000",
    ),
    "productivity_gain": Example(
        """03-02 09:00 | outcome time_saved =9000 | u1 | a1
           03-02 10:00 | Used | u1..u3 | a1""",
        """week 03-02 = 3000
           week 03-09 = null""",
    ),
    "user_revenue_generated": Example(
        """03-02 09:00 | outcome revenue_generated =10000 | u1 | a1
           03-02 10:00 | outcome revenue_generated =10000 | u1 | a1""",
        "week 03-02 = 20000",
    ),
    "user_led_performance": Example(
        """03-02 09:00 | outcome time_saved =3600 | u1 | a1
           03-02 10:00 | outcome sale =10000 | u1 | a1
           03-02 10:00 | outcome other =10000 | u1 | a1""",
        "day 03-02 = 2800",
    ),
    "user_roi": Example(
        """03-02 09:00 | outcome time_saved =12000 | u1 | a1
           03-02 10:00 | payment =1000 | | a1""",
        """month 03-01 = 2
           month 04-01 = null""",
    ),
    "projects_started": Example(
        """03-02 09:00 | project p1 status:started | u1 | a1
           03-02 10:00 | project p2 status:started | u1 | a2""",
        "day 03-02 = 2",
    ),
    "project_completion_rate": Example(
        """03-02 09:00 | project p1 status:started | u1 | a1
           03-02 09:00 | project p2 status:started | u1 | a1
           03-02 09:00 | project p3 status:started | u1 | a1
           03-02 09:00 | project p4 status:started | u1 | a1
           03-05 09:00 | project p1 status:completed | u1 | a1
           03-12 09:00 | project p2 status:completed | u2 | a1
           04-01 09:00 | project p3 status:completed | u1 | a1""",
        "week 03-02 = 0.5",
        "05-10",
    ),
    "feature_velocity": Example(
        """03-03 09:00 | delivery search status:shipped | |
           03-09 09:00 | delivery search status:shipped | |
           03-04 09:00 | delivery import status:shipped | |""",
        """month 03-01 = 2
           year_to_date 03-04 = 2""",
    ),
}
