"""What the case system tells beside cases: outcomes of suspects, supervision, property, disclosure, files."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "fact_clue_transfer",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("clue_transfer_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("charge_name", sa.Text(), nullable=True),
        sa.Column("transferred_on", sa.Date(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("handled_on", sa.Date(), nullable=True),
        sa.Column("result_code", sa.String(length=100), nullable=True),
        sa.Column("result_name", sa.Text(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "clue_transfer_key", "recorded_to", name=op.f("pk_fact_clue_transfer")
        ),
    )
    with op.batch_alter_table("fact_clue_transfer", schema=None) as batch_op:
        batch_op.create_index("ix_fact_clue_transfer_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_clue_transfer_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_coercive_measure",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("coercive_measure_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("suspect_key", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("taken_on", sa.Date(), nullable=True),
        sa.Column("executed_on", sa.Date(), nullable=True),
        sa.Column("receipt_on", sa.Date(), nullable=True),
        sa.Column("lifted_on", sa.Date(), nullable=True),
        sa.Column("change_result", sa.Text(), nullable=True),
        sa.Column("necessity_suggested_on", sa.Date(), nullable=True),
        sa.Column("necessity_accepted_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "coercive_measure_key", "recorded_to", name=op.f("pk_fact_coercive_measure")
        ),
    )
    with op.batch_alter_table("fact_coercive_measure", schema=None) as batch_op:
        batch_op.create_index("ix_fact_coercive_measure_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_coercive_measure_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_defence_request",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("defence_request_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("suspect_key", sa.String(length=200), nullable=True),
        sa.Column("applicant_kind", sa.String(length=100), nullable=True),
        sa.Column("applicant_status", sa.String(length=100), nullable=True),
        sa.Column("requested_on", sa.Date(), nullable=True),
        sa.Column("handled_on", sa.Date(), nullable=True),
        sa.Column("result_code", sa.String(length=100), nullable=True),
        sa.Column("result_name", sa.Text(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "defence_request_key", "recorded_to", name=op.f("pk_fact_defence_request")
        ),
    )
    with op.batch_alter_table("fact_defence_request", schema=None) as batch_op:
        batch_op.create_index("ix_fact_defence_request_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_defence_request_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_disclosure",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("disclosure_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("document_key", sa.String(length=200), nullable=True),
        sa.Column("unit_code", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=100), nullable=True),
        sa.Column("disclosed_on", sa.Date(), nullable=True),
        sa.Column("discloser_key", sa.String(length=200), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "disclosure_key", "recorded_to", name=op.f("pk_fact_disclosure")
        ),
    )
    with op.batch_alter_table("fact_disclosure", schema=None) as batch_op:
        batch_op.create_index("ix_fact_disclosure_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_disclosure_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_electronic_file",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("electronic_file_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("file_no", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=100), nullable=True),
        sa.Column("made_on", sa.Date(), nullable=True),
        sa.Column("maker_key", sa.String(length=200), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "electronic_file_key", "recorded_to", name=op.f("pk_fact_electronic_file")
        ),
    )
    with op.batch_alter_table("fact_electronic_file", schema=None) as batch_op:
        batch_op.create_index("ix_fact_electronic_file_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_electronic_file_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_handling_unit",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("handling_unit_key", sa.String(length=200), nullable=False),
        sa.Column("unit_code", sa.String(length=200), nullable=True),
        sa.Column("department_key", sa.String(length=200), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("head_key", sa.String(length=200), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "handling_unit_key", "recorded_to", name=op.f("pk_fact_handling_unit")
        ),
    )
    with op.batch_alter_table("fact_handling_unit", schema=None) as batch_op:
        batch_op.create_index("ix_fact_handling_unit_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_organisation_suspect",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("organisation_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("organisation_no", sa.Text(), nullable=True),
        sa.Column("pseudonym", sa.Text(), nullable=True),
        sa.Column("organisation_kind", sa.String(length=100), nullable=True),
        sa.Column("prosecution_result", sa.String(length=100), nullable=True),
        sa.Column("prosecution_decided_on", sa.Date(), nullable=True),
        sa.Column("prosecution_charge", sa.String(length=100), nullable=True),
        sa.Column("non_prosecution_kind", sa.String(length=100), nullable=True),
        sa.Column("first_judgment", sa.String(length=100), nullable=True),
        sa.Column("first_charge", sa.String(length=100), nullable=True),
        sa.Column("second_result", sa.String(length=100), nullable=True),
        sa.Column("second_judgment", sa.String(length=100), nullable=True),
        sa.Column("second_charge", sa.String(length=100), nullable=True),
        sa.Column("second_judged_on", sa.Date(), nullable=True),
        sa.Column("retrial_result", sa.String(length=100), nullable=True),
        sa.Column("retrial_judgment", sa.String(length=100), nullable=True),
        sa.Column("retrial_charge", sa.String(length=100), nullable=True),
        sa.Column("retrial_judged_on", sa.Date(), nullable=True),
        sa.Column("final_judgment", sa.String(length=100), nullable=True),
        sa.Column("final_charge", sa.String(length=100), nullable=True),
        sa.Column("final_judged_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "organisation_key", "recorded_to", name=op.f("pk_fact_organisation_suspect")
        ),
    )
    with op.batch_alter_table("fact_organisation_suspect", schema=None) as batch_op:
        batch_op.create_index("ix_fact_organisation_suspect_case", ["office", "case_no"], unique=False)
        batch_op.create_index(
            "ix_fact_organisation_suspect_recorded", ["office", "recorded_from"], unique=False
        )

    op.create_table(
        "fact_property_item",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("property_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("measure_kind", sa.String(length=100), nullable=True),
        sa.Column("seized_on", sa.Date(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("value", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("value_unit", sa.Text(), nullable=True),
        sa.Column("currency", sa.String(length=100), nullable=True),
        sa.Column("quantity_left", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("value_left", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("disposal_proposed_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "property_key", "recorded_to", name=op.f("pk_fact_property_item")
        ),
    )
    with op.batch_alter_table("fact_property_item", schema=None) as batch_op:
        batch_op.create_index("ix_fact_property_item_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_property_item_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_role_assignment",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("assignment_key", sa.String(length=200), nullable=False),
        sa.Column("unit_code", sa.String(length=200), nullable=True),
        sa.Column("department_key", sa.String(length=200), nullable=True),
        sa.Column("person_key", sa.String(length=200), nullable=True),
        sa.Column("role_code", sa.String(length=100), nullable=True),
        sa.Column("role_name", sa.Text(), nullable=True),
        sa.Column("leader_key", sa.String(length=200), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "assignment_key", "recorded_to", name=op.f("pk_fact_role_assignment")
        ),
    )
    with op.batch_alter_table("fact_role_assignment", schema=None) as batch_op:
        batch_op.create_index("ix_fact_role_assignment_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_suggestion",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("suggestion_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("nature", sa.String(length=100), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("target_kind", sa.String(length=100), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("replied_on", sa.Date(), nullable=True),
        sa.Column("accepted_on", sa.Date(), nullable=True),
        sa.Column("acceptance", sa.String(length=100), nullable=True),
        sa.Column("evaluated_on", sa.Date(), nullable=True),
        sa.Column("rules_made", sa.BigInteger(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "suggestion_key", "recorded_to", name=op.f("pk_fact_suggestion")
        ),
    )
    with op.batch_alter_table("fact_suggestion", schema=None) as batch_op:
        batch_op.create_index("ix_fact_suggestion_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_suggestion_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_supervision_act",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("supervision_act_key", sa.String(length=200), nullable=False),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("form", sa.String(length=100), nullable=True),
        sa.Column("supervision_type", sa.String(length=100), nullable=True),
        sa.Column("violations", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("replied_on", sa.Date(), nullable=True),
        sa.Column("accepted_on", sa.Date(), nullable=True),
        sa.Column("is_accepted", sa.Boolean(), nullable=True),
        sa.Column("result_code", sa.String(length=100), nullable=True),
        sa.Column("result_name", sa.Text(), nullable=True),
        sa.Column("revoked_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "supervision_act_key", "recorded_to", name=op.f("pk_fact_supervision_act")
        ),
    )
    with op.batch_alter_table("fact_supervision_act", schema=None) as batch_op:
        batch_op.create_index("ix_fact_supervision_act_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_supervision_act_recorded", ["office", "recorded_from"], unique=False)

    with op.batch_alter_table("fact_case", schema=None) as batch_op:
        batch_op.add_column(sa.Column("custody_warning_state", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("monitoring_state", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("investigating_organ", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("transferring_unit", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("transfer_document_no", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("other_charges", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("origin_stage", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("is_campaign", sa.Boolean(), nullable=True))

    with op.batch_alter_table("fact_case_outcome", schema=None) as batch_op:
        batch_op.add_column(sa.Column("nature", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("matter", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("decisions", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("withdrawn_on", sa.Date(), nullable=True))

    with op.batch_alter_table("fact_suspect", schema=None) as batch_op:
        batch_op.add_column(sa.Column("arrest_withdrawn_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("arrest_reconsideration_result", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("arrest_review_result", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("transfer_opinion", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("transfer_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("prosecution_decided_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("prosecution_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("non_prosecution_kind", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("indicted_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("indicted_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("plea_applied", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("sentence_suggestion", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("sentence_suggestion_accepted", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("first_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("first_term", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("first_judged_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("second_result", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("second_judgment", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("second_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("second_term", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("second_judged_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("remand_judgment", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("remand_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("remand_term", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("remand_judged_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("retrial_result", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("retrial_judgment", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("retrial_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("retrial_term", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("retrial_judged_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("final_judgment", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("final_charge", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("final_term", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("final_judged_on", sa.Date(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("fact_suspect", schema=None) as batch_op:
        batch_op.drop_column("final_judged_on")
        batch_op.drop_column("final_term")
        batch_op.drop_column("final_charge")
        batch_op.drop_column("final_judgment")
        batch_op.drop_column("retrial_judged_on")
        batch_op.drop_column("retrial_term")
        batch_op.drop_column("retrial_charge")
        batch_op.drop_column("retrial_judgment")
        batch_op.drop_column("retrial_result")
        batch_op.drop_column("remand_judged_on")
        batch_op.drop_column("remand_term")
        batch_op.drop_column("remand_charge")
        batch_op.drop_column("remand_judgment")
        batch_op.drop_column("second_judged_on")
        batch_op.drop_column("second_term")
        batch_op.drop_column("second_charge")
        batch_op.drop_column("second_judgment")
        batch_op.drop_column("second_result")
        batch_op.drop_column("first_judged_on")
        batch_op.drop_column("first_term")
        batch_op.drop_column("first_charge")
        batch_op.drop_column("sentence_suggestion_accepted")
        batch_op.drop_column("sentence_suggestion")
        batch_op.drop_column("plea_applied")
        batch_op.drop_column("indicted_charge")
        batch_op.drop_column("indicted_on")
        batch_op.drop_column("non_prosecution_kind")
        batch_op.drop_column("prosecution_charge")
        batch_op.drop_column("prosecution_decided_on")
        batch_op.drop_column("transfer_charge")
        batch_op.drop_column("transfer_opinion")
        batch_op.drop_column("arrest_review_result")
        batch_op.drop_column("arrest_reconsideration_result")
        batch_op.drop_column("arrest_withdrawn_on")

    with op.batch_alter_table("fact_case_outcome", schema=None) as batch_op:
        batch_op.drop_column("withdrawn_on")
        batch_op.drop_column("decisions")
        batch_op.drop_column("matter")
        batch_op.drop_column("nature")

    with op.batch_alter_table("fact_case", schema=None) as batch_op:
        batch_op.drop_column("is_campaign")
        batch_op.drop_column("origin_stage")
        batch_op.drop_column("other_charges")
        batch_op.drop_column("transfer_document_no")
        batch_op.drop_column("transferring_unit")
        batch_op.drop_column("investigating_organ")
        batch_op.drop_column("monitoring_state")
        batch_op.drop_column("custody_warning_state")

    with op.batch_alter_table("fact_supervision_act", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_supervision_act_recorded")
        batch_op.drop_index("ix_fact_supervision_act_case")

    op.drop_table("fact_supervision_act")
    with op.batch_alter_table("fact_suggestion", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_suggestion_recorded")
        batch_op.drop_index("ix_fact_suggestion_case")

    op.drop_table("fact_suggestion")
    with op.batch_alter_table("fact_role_assignment", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_role_assignment_recorded")

    op.drop_table("fact_role_assignment")
    with op.batch_alter_table("fact_property_item", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_property_item_recorded")
        batch_op.drop_index("ix_fact_property_item_case")

    op.drop_table("fact_property_item")
    with op.batch_alter_table("fact_organisation_suspect", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_organisation_suspect_recorded")
        batch_op.drop_index("ix_fact_organisation_suspect_case")

    op.drop_table("fact_organisation_suspect")
    with op.batch_alter_table("fact_handling_unit", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_handling_unit_recorded")

    op.drop_table("fact_handling_unit")
    with op.batch_alter_table("fact_electronic_file", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_electronic_file_recorded")
        batch_op.drop_index("ix_fact_electronic_file_case")

    op.drop_table("fact_electronic_file")
    with op.batch_alter_table("fact_disclosure", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_disclosure_recorded")
        batch_op.drop_index("ix_fact_disclosure_case")

    op.drop_table("fact_disclosure")
    with op.batch_alter_table("fact_defence_request", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_defence_request_recorded")
        batch_op.drop_index("ix_fact_defence_request_case")

    op.drop_table("fact_defence_request")
    with op.batch_alter_table("fact_coercive_measure", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_coercive_measure_recorded")
        batch_op.drop_index("ix_fact_coercive_measure_case")

    op.drop_table("fact_coercive_measure")
    with op.batch_alter_table("fact_clue_transfer", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_clue_transfer_recorded")
        batch_op.drop_index("ix_fact_clue_transfer_case")

    op.drop_table("fact_clue_transfer")
