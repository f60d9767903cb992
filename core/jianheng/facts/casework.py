"""Entities of what is done in a case beside its documents: supervision, suggestions, property, files, disclosure."""

from jianheng.facts.entity import Column, Entity

_CASE_NO = Column("case_no", "部门受案号", required=True, ref="case", strict=True)

SUPERVISION_FIELDS = (
    "filing",
    "filing_withdrawal",
    "investigation",
    "trial",
    "enforcement",
    "civil",
    "administrative_conduct",
)
"""监督对象: 应立不立, 不应立而立, 侦查活动, 审判活动, 刑事执行, 民事行政诉讼, 行政机关履职."""

SUPERVISION_FORMS = (
    "reason_demanded",
    "notice",
    "oral_correction",
    "written_correction",
    "suggestion",
    "handler_change",
    "protest",
    "prosecution_support",
    "other",
)
"""监督方式: 要求说明理由, 通知(立案、撤案), 口头纠正, 书面纠正违法, 检察建议, 更换办案人, 抗诉, 支持起诉, 其他."""

SUPERVISION_ACT = Entity(
    "supervision_act",
    "监督事项",
    "一案一项监督(一种方式)一行",
    (
        Column("supervision_act_key", "监督事项键", required=True),
        _CASE_NO,
        Column("kind", "监督对象类别", "code", required=True, allowed=SUPERVISION_FIELDS),
        Column("form", "监督方式", "code", required=True, allowed=SUPERVISION_FORMS),
        Column("supervision_type", "监督类型代码", "code"),
        Column("violations", "违法情形代码(多值)"),
        Column("target", "被监督单位"),
        Column("decided_on", "提出日期", "date", required=True),
        Column("replied_on", "回复日期", "date"),
        Column("accepted_on", "采纳、纠正日期", "date"),
        Column("is_accepted", "是否采纳、纠正", "boolean"),
        Column("result_code", "结果代码", "code"),
        Column("result_name", "结果"),
        Column("revoked_on", "撤销日期", "date"),
    ),
    business_time="decided_on",
)

SUGGESTION = Entity(
    "suggestion",
    "检察建议",
    "一份检察建议一行",
    (
        Column("suggestion_key", "检察建议键", required=True),
        _CASE_NO,
        Column("kind", "检察建议类型代码", "code"),
        Column("nature", "检察建议性质代码", "code"),
        Column("target", "被建议单位"),
        Column("target_kind", "被建议单位性质代码", "code"),
        Column("issued_on", "检察建议日期", "date"),
        Column("replied_on", "反馈日期", "date"),
        Column("accepted_on", "采纳日期", "date"),
        Column("acceptance", "采纳情况代码", "code"),
        Column("evaluated_on", "回访评估日期", "date"),
        Column("rules_made", "推动建立制度件数", "integer"),
    ),
    business_time="issued_on",
)

CLUE_TRANSFER = Entity(
    "clue_transfer",
    "线索移送",
    "一条移送的线索一行",
    (
        Column("clue_transfer_key", "线索移送键", required=True),
        _CASE_NO,
        Column("kind", "线索性质"),
        Column("charge_name", "线索涉嫌案由"),
        Column("transferred_on", "移送日期", "date"),
        Column("recipient", "移送何部门"),
        Column("handled_on", "线索处理日期", "date"),
        Column("result_code", "线索处理结果代码", "code"),
        Column("result_name", "线索处理结果"),
    ),
    business_time="transferred_on",
)

DEFENCE_REQUESTS = (
    "registration",
    "opinion_heard",
    "meeting",
    "evidence",
    "legal_aid",
    "file_access",
    "other",
)
"""辩护与代理: 登记委托, 听取意见, 会见, 收集调取证据, 法律援助, 查阅摘抄复制, 其他."""

DEFENCE_REQUEST = Entity(
    "defence_request",
    "辩护与代理事项",
    "一次登记或申请一行",
    (
        Column("defence_request_key", "辩护与代理键", required=True),
        _CASE_NO,
        Column("kind", "事项", "code", required=True, allowed=DEFENCE_REQUESTS),
        Column("suspect_key", "嫌疑人键", ref="suspect"),
        Column("applicant_kind", "申请人类型代码", "code"),
        Column("applicant_status", "申请人身份代码", "code"),
        Column("requested_on", "申请日期", "date"),
        Column("handled_on", "办理日期", "date"),
        Column("result_code", "办理情况代码", "code"),
        Column("result_name", "办理情况"),
    ),
    business_time="requested_on",
)

PROPERTY_ITEM = Entity(
    "property_item",
    "涉案财物",
    "一项登记的涉案财物一行",
    (
        Column("property_key", "涉案财物键", required=True),
        _CASE_NO,
        Column("kind", "财物类别", "code"),
        Column("origin", "财物来源"),
        Column("measure_kind", "措施类别", "code"),
        Column("seized_on", "扣押日期", "date"),
        Column("received_on", "入库时间", "date"),
        Column("quantity", "数量", "decimal"),
        Column("unit", "计量单位"),
        Column("value", "价值", "decimal"),
        Column("value_unit", "价值单位"),
        Column("currency", "币种", "code"),
        Column("quantity_left", "库存数量", "decimal"),
        Column("value_left", "库存价值", "decimal"),
        Column("disposal_proposed_on", "提出处理意见日期", "date"),
    ),
    business_time="received_on",
)

DISCLOSURE = Entity(
    "disclosure",
    "案件信息公开",
    "一条程序性信息或一份文书的公开记录一行",
    (
        Column("disclosure_key", "公开键", required=True),
        _CASE_NO,
        Column("kind", "公开类别", "code", required=True, allowed=("procedure", "document")),
        Column("document_key", "文书键", ref="document"),
        Column("unit_code", "公开单位编码", "code", ref="unit"),
        Column("state", "公开状态", "code"),
        Column("disclosed_on", "公开日期", "date"),
        Column("discloser_key", "公开人", ref="person"),
    ),
    business_time="disclosed_on",
)

ELECTRONIC_FILE = Entity(
    "electronic_file",
    "电子卷宗",
    "一册电子卷宗一行",
    (
        Column("electronic_file_key", "电子卷宗键", required=True),
        _CASE_NO,
        Column("file_no", "卷宗编号", "code"),
        Column("state", "制作状态", "code"),
        Column("made_on", "卷宗上传日期", "date"),
        Column("maker_key", "上传人", ref="person"),
    ),
    business_time="made_on",
)
