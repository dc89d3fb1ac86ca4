"""What the deployment service keeps of a person, and what becomes of it when they are erased."""

from agent_deployment_service.metadata import SCHEMA
from kgents_shared.personal_data import PersonalData, PersonalTable

_OF_DEPLOYMENT = "row.deployment_id IN (SELECT id FROM deployments.deployments WHERE owner_id = %(subject)s)"

PERSONAL_DATA = PersonalData(
    schema=SCHEMA,
    tables=(
        PersonalTable("wanted_versions", _OF_DEPLOYMENT),
        PersonalTable("restart_requests", _OF_DEPLOYMENT),
        # What runs still has to be stopped first, which the deleting of its agent brings about.
        PersonalTable("instances", _OF_DEPLOYMENT, gone_when="row.state = 'stopped'", hidden=("token_hash",)),
        # Its generation stays, so that late events of the agent are known as such.
        PersonalTable(
            "deployments", becomes="spec = NULL, canary = NULL, name = ''", gone_when="row.desired = 'deleted'"
        ),
    ),
    impersonal={},
)
