"""Entities that appraisal reads beside cases: personnel records, findings of supervision, ratings."""

from jianheng.facts.entity import Column, Entity

PERSONNEL_RECORD = Entity(
    "personnel_record",
    "人事记录",
    "一项奖励、处分、培训或一人一月考勤一行",
    (
        Column("record_key", "记录键", required=True),
        Column(
            "kind", "类别", "code", required=True, allowed=("award", "discipline", "training", "attendance")
        ),
        Column("person_key", "人员键", required=True, ref="person", strict=True),
        Column("title", "名称"),
        Column("level", "级别"),
        Column("organ", "授予、决定或主办单位"),
        Column("reason", "事由"),
        Column("starts_on", "日期(起)", "date"),
        Column("ends_on", "日期(止)", "date"),
        Column("quantity", "数量(学时、实出勤天数)", "decimal"),
        Column("expected", "应有数量(应出勤天数)", "decimal"),
    ),
    business_time="starts_on",
)

FINDING_SOURCES = ("self", "department", "case_management", "superior", "tool", "complaint")
"""谁发现: 本人, 部门, 案管, 上级, 系统工具, 信访投诉."""

FINDING = Entity(
    "finding",
    "监督发现",
    "一次流程监控、质量评查或数据核查发现的一个问题(或评查结论)一行",
    (
        Column("finding_key", "发现键", required=True),
        Column("kind", "类别", "code", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("person_key", "责任人", ref="person"),
        Column("found_on", "发现日期", "date", required=True),
        Column("found_by", "发现主体", "code", allowed=FINDING_SOURCES),
        Column("severity", "程度", "code"),
        Column("grade", "评查等次", "code"),
        Column("fault_key", "问题标识(同一问题相同)"),
        Column("rectified", "是否已整改", "boolean"),
        Column("cause_analysed", "是否已分析原因", "boolean"),
        Column("missed_by_owner", "是否应当发现而未发现", "boolean"),
        Column("state", "处理状态", "code", allowed=("open", "confirmed", "rejected", "closed")),
        Column("closed_on", "办结日期", "date"),
    ),
    business_time="found_on",
)

RATING = Entity(
    "rating",
    "评议",
    "一名评议人对一人一项的一次打分一行",
    (
        Column("rating_key", "评议键", required=True),
        Column("rating", "评议项目", "code", required=True),
        Column("person_key", "被评议人", required=True, ref="person", strict=True),
        Column("rater_kind", "评议人类别", "code", required=True),
        Column("rater_key", "评议人", ref="person"),
        Column("score", "分数", "decimal", required=True),
        Column("rated_on", "评议日期", "date", required=True),
    ),
    business_time="rated_on",
)
