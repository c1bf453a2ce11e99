# mypy: disable-error-code="import-not-found"
"""truefoundry-sdk reads the gateway's export configuration and a trace's spans. Argument: JSON with url, token, trace_id, since."""

import json
import sys

from truefoundry_sdk import TrueFoundry
from truefoundry_sdk.internal.ai_gateway import GetGatewayConfigAiGatewayRequestType as ConfigType

given = json.loads(sys.argv[1])
client = TrueFoundry(base_url=given["url"], api_key=given["token"])

configuration = client.internal.ai_gateway.get_gateway_config(type=ConfigType.GATEWAY_OTEL_CONFIG)
# Pages of one, so that the SDK follows the sandbox's page tokens.
spans = client.traces.query_spans(
    start_time=given["since"], trace_ids=[given["trace_id"]], data_routing_destination="default", limit=1
)
print(
    json.dumps(
        {
            "type": configuration.type,
            "tenant": configuration.tenant_name,
            "exporter": configuration.manifest.model_dump()["otel_traces_exporter_config"],
            "changed_by": configuration.created_by_subject.subject_slug,
            "spans": [
                {"trace_id": span.trace_id, "name": span.span_name, "service": span.service_name} for span in spans
            ],
        }
    )
)
