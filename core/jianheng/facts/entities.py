"""The canonical entities. Names and meanings: domain glossary; columns: the case system's own dictionary.

Keys across systems are composed the same way everywhere: a person is ``unit_code-staff_no``, a
department ``unit_code-department_code``; a staff number alone never identifies anybody.
"""

from jianheng.facts.appraisal import FINDING, PERSONNEL_RECORD, RATING
from jianheng.facts.casework import (
    CLUE_TRANSFER,
    DEFENCE_REQUEST,
    DISCLOSURE,
    ELECTRONIC_FILE,
    PROPERTY_ITEM,
    SUGGESTION,
    SUPERVISION_ACT,
)
from jianheng.facts.entity import Column, Entity
from jianheng.facts.suspects import COERCIVE_MEASURE, ORGANISATION_SUSPECT, SUSPECT

ROLES = ("quota_prosecutor", "prosecutor_assistant", "clerk", "judicial_admin", "other")
"""案件中的角色: 员额检察官, 检察官助理, 书记员, 司法行政人员, 其他."""

POST_LEVELS = ("chief", "deputy_chief", "committee_member", "dept_head", "deputy_dept_head", "member")
"""职务层级: 检察长, 副检察长, 检委会专职委员, 部门负责人, 部门副职, 一般人员. Titles are mapped per site, never matched as text."""

UNIT = Entity(
    "unit",
    "单位",
    "一个单位一行",
    (
        Column("unit_code", "单位编码", "code", required=True),
        Column("name", "单位名称", required=True),
        Column("short_name", "单位简称"),
        Column("level", "单位级别", "code"),
        Column("parent_unit", "父单位编码", "code", ref="unit"),
    ),
)

DEPARTMENT = Entity(
    "department",
    "部门",
    "一个内设机构一行",
    (
        Column("department_key", "部门键", required=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("department_code", "部门编码", "code", required=True),
        Column("name", "部门名称", required=True),
        Column("parent_department", "父部门", ref="department"),
        Column("standard_mapping", "部门映射", "code"),
        Column("handles_cases", "是否承办部门", "boolean"),
    ),
)

PERSON = Entity(
    "person",
    "人员",
    "一人在一个单位的一个工号一行",
    (
        Column("person_key", "人员键", required=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("staff_no", "工号", "code", required=True),
        Column("name", "姓名", privacy="staff"),
        Column("gender", "性别", "code"),
        Column("staff_class", "身份类别", "code"),
        Column("prosecutor_rank", "检察官等级"),
        Column("post", "职务"),
        Column("admin_rank", "行政职级"),
        Column("quota_since", "入额时间", "date"),
        Column("education", "文化程度"),
        Column("degree", "学位"),
        Column("political_status", "政治面貌"),
        Column("suspended", "是否停职", "boolean"),
        Column("former_unit", "原单位编码", "code"),
    ),
)

POSTING = Entity(
    "posting",
    "任职",
    "一人一段任职一行; 起止均含当日",
    (
        Column("posting_key", "任职键", required=True),
        Column("person_key", "人员键", required=True, ref="person", strict=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("department_key", "部门键", ref="department"),
        Column("department_name", "部门名称"),
        Column("staff_class", "身份类别", "code"),
        Column("role", "办案角色", "code", required=True, allowed=ROLES),
        Column("post", "职务"),
        Column("post_level", "职务层级", "code", allowed=POST_LEVELS),
        Column("valid_from", "起始日期", "date", required=True),
        Column("valid_to", "终止日期(含当日)", "date"),
    ),
    business_time="valid_from",
)

HANDLING_UNIT_MEMBER = Entity(
    "handling_unit_member",
    "办案单元成员",
    "一个办案单元的一名成员一行",
    (
        Column("member_key", "成员键", required=True),
        Column("handling_unit_key", "办案单元键", required=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("person_key", "人员键", required=True, ref="person"),
        Column("kind", "办案单元类型", "code", allowed=("sole", "team")),
        Column("role", "办案角色", "code", allowed=ROLES),
        Column("is_lead", "是否主办", "boolean"),
    ),
)

HANDLING_UNIT = Entity(
    "handling_unit",
    "办案单元",
    "一个办案单元一行",
    (
        Column("handling_unit_key", "办案单元键", required=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("department_key", "部门键", ref="department"),
        Column("name", "办案单元名称"),
        Column("kind", "办案单元类型", "code", allowed=("sole", "team")),
        Column("head_key", "负责人", ref="person"),
    ),
)

ROLE_ASSIGNMENT = Entity(
    "role_assignment",
    "角色分配",
    "一人在一个部门的一个系统角色一行",
    (
        Column("assignment_key", "分配键", required=True),
        Column("unit_code", "单位编码", "code", required=True, ref="unit"),
        Column("department_key", "部门键", ref="department"),
        Column("person_key", "人员键", required=True, ref="person"),
        Column("role_code", "角色编码", "code", required=True),
        Column("role_name", "角色名称"),
        Column("leader_key", "直接领导", ref="person"),
    ),
)

CASE = Entity(
    "case",
    "案件",
    "一个部门受案号一行",
    (
        Column("case_no", "部门受案号", required=True),
        Column("unified_case_no", "统一受案号"),
        Column("unit_code", "承办单位编码", "code", required=True, ref="unit"),
        Column("department_key", "承办部门", ref="department"),
        Column("handler_key", "承办人", ref="person", strict=True),
        Column("handling_unit_key", "办案单元"),
        Column("category", "案件类别编码", "code", required=True),
        Column("accepted_on", "受理日期", "date", required=True),
        Column("handling_started_on", "办理开始日期", "date"),
        Column("due_on", "到期日期", "date"),
        Column("concluded_on", "办结日期", "date"),
        Column("completed_on", "完成日期", "date"),
        Column("archived_on", "归档日期", "date"),
        Column("handling_days", "办理天数", "integer"),
        Column("status", "案件状态", "code", allowed=("accepted", "in_hand", "concluded", "archived")),
        Column("current_stage", "当前阶段"),
        Column("warning_state", "预警状态", "code"),
        Column("custody_warning_state", "羁押预警状态", "code"),
        Column("monitoring_state", "流程监控状态", "code"),
        Column("risk_level", "风险等级", "code"),
        Column("investigating_organ", "侦查机关代码", "code"),
        Column("transferring_unit", "移送单位代码", "code"),
        Column("transfer_document_no", "移送文书文号"),
        Column("charge_code", "移送案由代码", "code"),
        Column("charge_name", "移送案由"),
        Column("other_charges", "移送其他案由代码(多值)"),
        Column("transfer_opinion", "移送意见代码", "code"),
        Column("case_source", "案件来源代码", "code"),
        Column("origin_stage", "原案所处诉讼阶段代码", "code"),
        Column("is_foreign_related", "是否涉外案件", "boolean"),
        Column("is_supervised", "是否督办案件", "boolean"),
        Column("is_watched", "是否关注案件", "boolean"),
        Column("is_assigned", "是否交办案件", "boolean"),
        Column("is_campaign", "是否专项活动", "boolean"),
        Column("plea_suggested", "侦查机关是否建议适用认罪认罚", "boolean"),
        Column("attributes", "其他属性", "attributes"),
    ),
    business_time="accepted_on",
)

CASE_OUTCOME = Entity(
    "case_outcome",
    "案件办结情况",
    "一个案件的一项处理结果一行",
    (
        Column("outcome_key", "结果键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("decided_on", "审结日期", "date"),
        Column("result_code", "处理结果代码", "code"),
        Column("result_name", "处理结果"),
        Column("nature", "案件性质代码", "code"),
        Column("matter", "申诉类别代码", "code"),
        Column("decisions", "决定情况代码(多值)"),
        Column("withdrawn_on", "撤回日期", "date"),
    ),
    business_time="decided_on",
)

PARTICIPATION = Entity(
    "participation",
    "办案参与",
    "一人参与一案一行",
    (
        Column("participation_key", "参与键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("person_key", "人员键", required=True, ref="person"),
        Column("role", "办案角色", "code", required=True, allowed=ROLES),
        Column("handling_form", "办理形式", "code"),
        Column("share", "约定份额", "decimal"),
        Column("valid_from", "起", "date"),
        Column("valid_to", "止", "date"),
    ),
)

DOCUMENT = Entity(
    "document",
    "文书",
    "一份文书一行",
    (
        Column("document_key", "文书键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("unit_code", "单位编码", "code", ref="unit"),
        Column("template_code", "文书模板编号", "code", required=True),
        Column("name", "文书名称"),
        Column("drafter_key", "拟制人", ref="person"),
        Column("drafted_on", "拟制日期", "date"),
        Column("submitted_on", "送审日期", "date"),
        Column("approver_key", "审批人", ref="person"),
        Column("approved_on", "审批日期", "date"),
        Column("approval_result", "审批结论"),
        Column("in_dossier", "是否入卷", "boolean"),
        Column("first_in_dossier_on", "首次入卷日期", "date"),
    ),
    business_time="drafted_on",
)

APPROVAL = Entity(
    "approval",
    "审批",
    "一次审批一行",
    (
        Column("approval_key", "审批键", required=True),
        Column("document_key", "文书键", required=True, ref="document"),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("template_code", "文书模板编号", "code"),
        Column("submitter_key", "送审人", ref="person"),
        Column("submitted_on", "送审日期", "date"),
        Column("approver_key", "审批人", ref="person"),
        Column("approved_on", "审批日期", "date"),
        Column("conclusion", "审批结论"),
        Column("approval_role", "审批角色", "code"),
    ),
    business_time="approved_on",
)

CASE_LINK = Entity(
    "case_link",
    "案件关联",
    "一对关联案件一行",
    (
        Column("link_key", "关联键", required=True),
        Column("from_case_no", "原案件部门受案号", required=True, ref="case"),
        Column("to_case_no", "关联案件部门受案号", required=True, ref="case"),
        Column("kind", "关联类型", "code", required=True, allowed=("related", "split", "merge")),
        Column("from_category", "原案件类别", "code"),
        Column("to_category", "关联案件类别", "code"),
    ),
)

EVENT = Entity(
    "event",
    "案件事件",
    "一次动作一行",
    (
        Column("event_key", "事件键", required=True),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("kind", "事件类型", "code", required=True),
        Column("label", "事件名称"),
        Column("at", "发生时间", "datetime", required=True),
        Column("actor_key", "行为人", ref="person"),
        Column("attributes", "其他属性", "attributes"),
    ),
    business_time="at",
)

ARCHIVE_VOLUME = Entity(
    "archive_volume",
    "档案卷宗",
    "一卷一行",
    (
        Column("volume_key", "卷宗键", required=True),
        Column("archive_no", "档号"),
        Column("volume_no", "卷号", "integer"),
        Column("case_no", "部门受案号", required=True, ref="case"),
        Column("unit_code", "单位编码", "code", ref="unit"),
        Column("volume_type", "卷宗类型"),
        Column("archive_year", "年度", "integer"),
        Column("retention", "保管期限"),
        Column(
            "state",
            "归档状态",
            "code",
            required=True,
            allowed=("awaited", "handed_over", "accepted", "returned"),
        ),
        Column("handed_over_on", "交卷日期", "date"),
        Column("accepted_on", "验收入库日期", "date"),
        Column("returned_on", "退回日期", "date"),
        Column("return_reason", "退回原因"),
    ),
    business_time="accepted_on",
)

DECLARATION = Entity(
    "declaration",
    "特殊案件申报",
    "一次申报一行",
    (
        Column("declaration_key", "申报键", required=True),
        Column(
            "kind",
            "申报类别",
            "code",
            required=True,
            allowed=("major_case", "excellent_case", "excellent_document"),
        ),
        Column("case_no", "部门受案号", required=True, ref="case", strict=True),
        Column("document_key", "文书键", ref="document"),
        Column("person_key", "申报人", required=True, ref="person", strict=True),
        Column("declared_on", "申报日期", "date", required=True),
        Column("approver_key", "审批人", ref="person"),
        Column("decided_on", "审批日期", "date"),
        Column("decision", "审批结果", "code", allowed=("approved", "rejected")),
    ),
    business_time="decided_on",
)

CODE = Entity(
    "code",
    "代码",
    "一个目录的一个代码一行",
    (
        Column("code_key", "代码键", required=True),
        Column("catalogue", "目录", "code", required=True),
        Column("code", "代码", "code", required=True),
        Column("parent", "父代码", "code"),
        Column("name", "名称"),
    ),
)

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        UNIT,
        DEPARTMENT,
        PERSON,
        POSTING,
        ROLE_ASSIGNMENT,
        HANDLING_UNIT,
        HANDLING_UNIT_MEMBER,
        CODE,
        CASE,
        CASE_OUTCOME,
        PARTICIPATION,
        SUSPECT,
        ORGANISATION_SUSPECT,
        COERCIVE_MEASURE,
        CASE_LINK,
        DOCUMENT,
        APPROVAL,
        EVENT,
        SUPERVISION_ACT,
        SUGGESTION,
        CLUE_TRANSFER,
        DEFENCE_REQUEST,
        PROPERTY_ITEM,
        DISCLOSURE,
        ELECTRONIC_FILE,
        ARCHIVE_VOLUME,
        PERSONNEL_RECORD,
        DECLARATION,
        FINDING,
        RATING,
    )
}
"""All entities, in an order in which every strict reference comes before what refers to it."""
