"""Entities of the parties of a criminal case: suspects, accused organisations, what is done to them."""

from jianheng.facts.entity import Column, Entity

_TRANSFER = (
    Column("transfer_opinion", "移送意见代码", "code"),
    Column("transfer_charge", "移送案由代码", "code"),
)

# One set of columns for people and organisations: what a procuratorate and the courts made of the accusation.
_PROSECUTION = (
    Column("prosecution_result", "审查起诉处理情况代码", "code"),
    Column("prosecution_decided_on", "审查起诉审结日期", "date"),
    Column("prosecution_charge", "审结案由代码", "code"),
    Column("prosecution_withdrawn_on", "撤回起诉日期", "date"),
    Column("non_prosecution_kind", "不起诉种类代码", "code"),
)
_TRIAL = (
    Column("first_judgment", "一审宣告刑代码", "code"),
    Column("first_charge", "一审判决罪名代码", "code"),
    Column("first_term", "一审宣告刑刑期"),
    Column("first_judged_on", "一审判决日期", "date"),
    Column("second_result", "二审裁判结果代码", "code"),
    Column("second_judgment", "二审宣告刑代码", "code"),
    Column("second_charge", "二审判决罪名代码", "code"),
    Column("second_term", "二审宣告刑刑期"),
    Column("second_judged_on", "二审裁判日期", "date"),
    Column("remand_judgment", "发回重审宣告刑代码", "code"),
    Column("remand_charge", "发回重审判决罪名代码", "code"),
    Column("remand_term", "发回重审宣告刑刑期"),
    Column("remand_judged_on", "发回重审判决日期", "date"),
    Column("retrial_result", "再审裁判结果代码", "code"),
    Column("retrial_judgment", "再审宣告刑代码", "code"),
    Column("retrial_charge", "再审判决罪名代码", "code"),
    Column("retrial_term", "再审宣告刑刑期"),
    Column("retrial_judged_on", "再审裁判日期", "date"),
    Column("final_judgment", "生效宣告刑代码", "code"),
    Column("final_charge", "生效判决罪名代码", "code"),
    Column("final_term", "生效宣告刑刑期"),
    Column("final_judged_on", "生效判决日期", "date"),
)

SUSPECT = Entity(
    "suspect",
    "犯罪嫌疑人",
    "一案一名嫌疑人一行",
    (
        Column("suspect_key", "嫌疑人键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("suspect_no", "嫌疑人编号", required=True),
        Column("pseudonym", "化名", privacy="party"),
        Column("gender", "性别", "code"),
        Column("age_at_offence", "作案时年龄", "integer"),
        Column("at_large", "是否在逃", "boolean"),
        Column("is_principal", "是否主犯", "boolean"),
        Column("arrest_result", "审查逮捕处理结果代码", "code"),
        Column("arrest_decided_on", "审查逮捕审结日期", "date"),
        Column("arrest_withdrawn_on", "捕后撤案日期", "date"),
        Column("arrest_reconsideration_result", "不捕复议结果代码", "code"),
        Column("arrest_review_result", "不捕复核结果代码", "code"),
        *_TRANSFER,
        *_PROSECUTION,
        Column("indicted_on", "提起公诉日期", "date"),
        Column("indicted_charge", "起诉罪名代码", "code"),
        Column("plea_applied", "检察机关是否适用认罪认罚", "boolean"),
        Column("sentence_suggestion", "量刑建议情况代码", "code"),
        Column("sentence_suggestion_accepted", "法院是否采纳量刑建议", "boolean"),
        *_TRIAL,
    ),
)

ORGANISATION_SUSPECT = Entity(
    "organisation_suspect",
    "单位犯罪嫌疑",
    "一案一个涉嫌犯罪的单位一行; 不计入嫌疑人数",
    (
        Column("organisation_key", "单位键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("organisation_no", "单位编号", required=True),
        Column("pseudonym", "化名", privacy="party"),
        Column("organisation_kind", "单位性质代码", "code"),
        *_PROSECUTION[:3],
        *_PROSECUTION[4:],
        *(
            each
            for each in _TRIAL
            if not each.name.endswith("_term")
            and not each.name.startswith("remand_")
            and each.name != "first_judged_on"
        ),
    ),
)

COERCIVE_MEASURE = Entity(
    "coercive_measure",
    "强制措施",
    "对一名嫌疑人(或单位)的一次强制措施一行",
    (
        Column("coercive_measure_key", "强制措施键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("suspect_key", "嫌疑人键", ref="suspect"),
        Column("kind", "强制措施代码", "code"),
        Column("name", "强制措施名称"),
        Column("taken_on", "强制措施采取日期", "date"),
        Column("executed_on", "执行日期", "date"),
        Column("receipt_on", "执行回执日期", "date"),
        Column("lifted_on", "强制措施解除日期", "date"),
        Column("change_result", "强制措施变更情况"),
        Column("necessity_suggested_on", "羁押必要性审查提出建议日期", "date"),
        Column("necessity_accepted_on", "羁押必要性建议采纳日期", "date"),
    ),
    business_time="taken_on",
)
